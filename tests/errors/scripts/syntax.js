import { sign } from './shop.js';
export function isFresh(response) {
  return response.status == 200 && ;
}
