import { check } from './shop.js';
import { sleep } from 'k6';
