// What files tell: a safetensors file without some of its tensors, a request to begin with for an ONNX file.

const BATCH = 8;
const GUESSED = 16; // a dimension that the file leaves open
const INTEGERS = [2, 3, 4, 5, 6, 7, 12, 13]; // ONNX's types of elements

/** A safetensors file without some tensors: those are drawn anew. */
export async function withoutTensors(file, keys) {
  const length = Number(new DataView(await file.slice(0, 8).arrayBuffer()).getBigUint64(0, true));
  const header = JSON.parse(await file.slice(8, 8 + length).text());
  const kept = Object.entries(header).filter(([key]) => key !== '__metadata__' && !keys.includes(key)).sort(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0]);
  const changed = header.__metadata__ ? { __metadata__: header.__metadata__ } : {};
  let end = 0;
  const data = kept.map(([key, tensor]) => {
    const [from, to] = tensor.data_offsets;
    changed[key] = { ...tensor, data_offsets: [end, end += to - from] };
    return file.slice(8 + length + from, 8 + length + to);
  });
  const text = new TextEncoder().encode(JSON.stringify(changed));
  const padding = new Uint8Array((8 - (text.length % 8)) % 8).fill(32);
  const size = new DataView(new ArrayBuffer(8));
  size.setBigUint64(0, BigInt(text.length + padding.length), true);
  return new File([size, text, padding, ...data], file.name);
}

/** Yields [number, value] of a protobuf message: bytes, or a number. */
function* fieldsOf(bytes) {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; at < bytes.length; factor *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * factor;
      if (byte < 128) break;
    }
    return value;
  };
  while (at < bytes.length) {
    const key = varint();
    const wire = key % 8;
    let value = null;
    if (wire === 0) value = varint();
    else {
      const length = wire === 2 ? varint() : wire === 5 ? 4 : 8;
      value = bytes.subarray(at, at + length);
      at += length;
    }
    yield [Math.floor(key / 8), value];
  }
}

const all = (bytes, number) => [...fieldsOf(bytes)].filter(([field]) => field === number).map(([, value]) => value);
const first = (bytes, ...path) => path.reduce((message, number) => (message ? all(message, number)[0] : undefined), bytes);
const text = (bytes) => new TextDecoder().decode(bytes);

/** {name, integer, shape} of a ValueInfoProto. */
function valueOf(info) {
  const tensor = first(info, 2, 1) ?? new Uint8Array();
  const dimensions = all(first(tensor, 2) ?? new Uint8Array(), 1).map((dimension) => first(dimension, 1));
  return { name: text(first(info, 1) ?? []), integer: INTEGERS.includes(first(tensor, 1)), shape: dimensions.map((size, i) => (i === 0 ? BATCH : size || GUESSED)) };
}

const drawn = ({ integer, shape }) => (integer ? { random: 'randint', low: 0, high: 2, shape } : { random: 'normal', shape });

/** A request for an ONNX file, random data of the shapes that it declares; null: the file isn't understood. */
export async function requestFor(file) {
  const graph = first(new Uint8Array(await file.arrayBuffer()), 7);
  if (!(graph instanceof Uint8Array)) return null;
  const initialized = new Set(all(graph, 5).map((tensor) => text(first(tensor, 8) ?? [])));
  const inputs = all(graph, 11).map(valueOf).filter(({ name }) => !initialized.has(name));
  const [output] = all(graph, 12).map(valueOf);
  if (!inputs.length || !output) return null;
  const classes = output.shape.length === 2 && output.shape[1] > 1;
  return {
    model: { name: file.name.replace(/\.onnx$/i, ''), loss: { type: classes ? 'CrossEntropyLoss' : 'MSELoss' } },
    data: {
      ...Object.fromEntries(inputs.map((input) => [input.name, drawn(input)])),
      target: classes ? { random: 'randint', low: 0, high: output.shape[1], shape: [BATCH] } : drawn({ ...output, integer: false }),
    },
  };
}
