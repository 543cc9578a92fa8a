"use strict";
// What a chart shows where the pointer is, read from the table below it; and all details opened for print.
for (const figure of document.querySelectorAll("figure.chart")) {
  const table = figure.querySelector("details.data table");
  const chart = figure.querySelector('svg[role="img"]');
  if (!table || !chart || !("crosshair" in figure.dataset)) continue;
  const rows = [...table.rows].slice(1);
  const titles = [...table.rows[0].cells].map((cell) => cell.textContent);
  const tip = document.createElement("div");
  const rule = document.createElement("div");
  tip.className = "tip";
  rule.className = "rule";
  const hide = () => { tip.remove(); rule.remove(); };
  chart.addEventListener("pointerleave", hide);
  chart.addEventListener("pointermove", (event) => {
    const box = chart.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    const row = rows[Math.min(rows.length - 1, Math.floor(share * rows.length))];
    if (!row || share < 0 || share > 1) return hide();
    tip.textContent = [...row.cells].map((cell, i) => titles[i] + ": " + cell.textContent).join("\n");
    document.body.append(rule, tip);
    rule.style.left = tip.style.left = event.pageX + "px";
    rule.style.top = box.top + scrollY + "px";
    rule.style.height = box.height - 20 + "px";
    tip.style.top = event.pageY + 16 + "px";
    if (event.clientX + tip.offsetWidth + 20 > innerWidth) {
      tip.style.left = event.pageX - tip.offsetWidth - 12 + "px";
    }
  });
}
const folded = [...document.querySelectorAll("details.endpoint")];
let opened = [];
addEventListener("beforeprint", () => {
  opened = folded.filter((one) => !one.open);
  for (const one of opened) one.open = true;
});
addEventListener("afterprint", () => { for (const one of opened) one.open = false; });
