// Where in a text of JSON a JSON Pointer points to.

/** [start, end] of the value, or of the nearest one around it that is there; the text is valid JSON. */
export function placeOf(text, pointer) {
  const wanted = pointer.split('/').slice(1).map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  let at = 0;
  const space = () => { while (/\s/.test(text.charAt(at))) at++; };
  const string = () => {
    const start = at++;
    while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
    return JSON.parse(text.slice(start, ++at));
  };
  const skip = () => {
    let depth = 0;
    do {
      if (text[at] === '"') string();
      else {
        depth += '[{'.includes(text[at]) ? 1 : ']}'.includes(text[at]) ? -1 : 0;
        at++;
      }
    } while (at < text.length && (depth > 0 || !/[\s,\]}]/.test(text[at])));
  };
  space();
  let start = at;
  for (const part of wanted) {
    if (!'[{'.includes(text[at])) break;
    const list = text[at++] === '[';
    let found = false;
    for (let i = 0; ; i++) {
      space();
      if (text[at] === ',') { at++; space(); }
      if (']}'.includes(text[at])) break;
      const key = list ? String(i) : string();
      if (!list) { space(); at++; space(); }
      found = key === part;
      if (found) break;
      skip();
    }
    if (!found) break;
    start = at;
  }
  at = start;
  skip();
  return [start, at];
}
