// JSON Patch (RFC 6902), as far as fixes use it: add, remove, replace, move, copy, test.

const partsOf = (pointer) => pointer.split('/').slice(1).map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));

function locate(document, pointer) {
  const parts = partsOf(pointer);
  const key = parts.pop();
  let parent = document;
  for (const part of parts) {
    parent = parent?.[part];
    if (parent === undefined) throw new Error(`${pointer} is not in the request`);
  }
  return [parent, key];
}

function read(document, pointer) {
  return pointer === '' ? document : partsOf(pointer).reduce((value, part) => value?.[part], document);
}

function add(document, pointer, value) {
  const [parent, key] = locate(document, pointer);
  if (Array.isArray(parent)) parent.splice(key === '-' ? parent.length : Number(key), 0, value);
  else parent[key] = value;
}

function remove(document, pointer) {
  const [parent, key] = locate(document, pointer);
  if (parent[key] === undefined) throw new Error(`${pointer} is not in the request`);
  if (Array.isArray(parent)) parent.splice(Number(key), 1);
  else delete parent[key];
}

const OPERATIONS = {
  add: (document, step) => add(document, step.path, step.value),
  remove: (document, step) => remove(document, step.path),
  replace: (document, step) => { remove(document, step.path); add(document, step.path, step.value); },
  copy: (document, step) => add(document, step.path, structuredClone(read(document, step.from))),
  move: (document, step) => {
    const value = read(document, step.from);
    remove(document, step.from);
    add(document, step.path, value);
  },
  test: (document, step) => {
    if (JSON.stringify(read(document, step.path)) !== JSON.stringify(step.value)) throw new Error(`${step.path} has changed`);
  },
};

/** A changed copy of a document. */
export function patched(document, patch) {
  const copy = structuredClone(document);
  for (const step of patch) {
    if (!OPERATIONS[step.op]) throw new Error(`a patch can't ${step.op}`);
    OPERATIONS[step.op](copy, step);
  }
  return copy;
}
