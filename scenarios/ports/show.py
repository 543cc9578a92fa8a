#!/usr/bin/env python3
"""Prints what the recording server saw: show.py LOG [HEADER,HEADER...]"""
import json, sys

wanted = sys.argv[2].split(",") if len(sys.argv) > 2 else []
for line in open(sys.argv[1]):
    seen = json.loads(line)
    headers = {name: seen["h"].get(name) for name in wanted}
    print(f"{seen['n']} {seen['t']:.2f} c{seen['c']} {seen['m']} {seen['u']} {seen['s']}", headers or "", seen["b"][:200])
