export const sign = (body) => body;
export const isFresh = (response) => response.ok;
const hidden = 1;
