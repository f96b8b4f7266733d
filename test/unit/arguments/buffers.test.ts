import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import {
  bytesOf,
  checkBytes,
  checkBytesList,
  isFilledBytes,
  lengthNow,
  readBytes,
  readBytesList,
  totalLength,
} from '#lib/arguments/buffers';
import { detach, resizable } from '../socket/memory';
import { thrown } from '../socket/kit';

const wrong = { code: 'ERR_INVALID_ARG_TYPE', name: 'TypeError' };

describe('checkBytes', () => {
  it('takes every kind of view, empty ones too', () => {
    for (const view of [
      new Uint8Array(3),
      new Uint8Array(0),
      new BigInt64Array(1),
      new Float64Array(new SharedArrayBuffer(8)),
      Buffer.alloc(0),
      Buffer.from('pool'),
      new DataView(new ArrayBuffer(4)),
      new DataView(new ArrayBuffer(0)),
      resizable.bytes(4),
    ]) {
      checkBytes('view', view);
    }
  });

  it('takes the views of another realm', () => {
    for (const code of [
      'new Uint8Array(3)',
      'new Uint8Array(0)',
      'new DataView(new ArrayBuffer(0))',
      'new DataView(new ArrayBuffer(3))',
    ]) {
      checkBytes('view', runInNewContext(code));
    }
  });

  it('takes a view that shrank to nothing and is still within its buffer', () => {
    const view = resizable.bytes(4);
    resizable.resize(view, 0);
    checkBytes('view', view);
  });

  it('refuses a value that is not a view, with the value in the message', () => {
    for (const value of [
      undefined,
      null,
      'text',
      5,
      {},
      [1, 2],
      new ArrayBuffer(4),
      new SharedArrayBuffer(4),
      { byteLength: 3, buffer: {} },
    ]) {
      expect(thrown(() => checkBytes('data', value))).toMatchObject(wrong);
    }
    expect(thrown(() => checkBytes('data', 'text')).message).toBe(
      `The "data" argument must be a TypedArray, a DataView or a Buffer. Received 'text'`,
    );
  });

  it('refuses a view whose memory is detached', () => {
    for (const view of [new Uint8Array(3), new Float64Array(2), new DataView(new ArrayBuffer(4))]) {
      detach(view);
      const error = thrown(() => checkBytes('data', view));
      expect(error).toMatchObject(wrong);
      expect(error.message).toMatch(
        /^The "data" argument must be a view of memory that is still there .* Received .*(Array|DataView)/,
      );
    }
    const foreign = runInNewContext('new DataView(new ArrayBuffer(4))') as DataView;
    detach(foreign);
    expect(thrown(() => checkBytes('data', foreign))).toMatchObject(wrong);
  });

  it('refuses a view that its shrunk buffer no longer covers', () => {
    for (const View of [Uint8Array, DataView] as (new (
      buffer: ArrayBuffer,
      offset: number,
      length?: number,
    ) => ArrayBufferView)[]) {
      for (const length of [undefined, 2]) {
        const view = new View(resizable.buffer(8), 4, length);
        resizable.resize(view, 3);
        expect(thrown(() => checkBytes('data', view))).toMatchObject(wrong);
      }
    }
  });
});

describe('checkBytesList', () => {
  it('takes an array of views, and nothing else', () => {
    checkBytesList('list', []);
    checkBytesList('list', [new Uint8Array(1), Buffer.alloc(0)]);
    const gone = new Uint8Array(3);
    detach(gone);
    for (const value of [
      undefined,
      'text',
      new Uint8Array(1),
      new Set([new Uint8Array(1)]),
      [undefined],
      new Array(1),
      [new Uint8Array(1), 'x'],
      [gone],
    ]) {
      expect(thrown(() => checkBytesList('list', value))).toMatchObject(wrong);
    }
  });
});

describe('lengthNow', () => {
  it('is 0 for a view without memory', () => {
    const gone = [new Uint8Array(3), new DataView(new ArrayBuffer(3))];
    gone.forEach(detach);
    expect(gone.map(lengthNow)).toEqual([0, 0]);
    expect(
      [new Uint16Array(3), new DataView(new ArrayBuffer(3)), new Uint8Array(0)].map(lengthNow),
    ).toEqual([6, 3, 0]);
  });
});

describe('readBytes', () => {
  it('reads any iterable of views', () => {
    const views = [new Uint8Array(1), new DataView(new ArrayBuffer(2))];
    expect(readBytes('data', new Set(views))).toEqual(views);
    expect(readBytes('data', [])).toEqual([]);
  });

  it('refuses a value that is not iterable, and one that yields anything but views', () => {
    for (const value of [undefined, null, 5, {}, 'text', [1], new Uint8Array(1)])
      expect(thrown(() => readBytes('data', value))).toMatchObject(wrong);
  });
});

describe('bytesOf', () => {
  it('is the same memory, in bytes', () => {
    const memory = new Uint16Array(4);
    const bytes = bytesOf(memory.subarray(1, 3));
    bytes.fill(1);
    expect([bytes.length, [...memory]]).toEqual([4, [0, 257, 257, 0]]);
  });
});

describe('totalLength', () => {
  it('counts bytes', () => {
    expect(totalLength([])).toBe(0);
    expect(
      totalLength([new Uint16Array(3), new DataView(new ArrayBuffer(5)), new Uint8Array(0)]),
    ).toBe(11);
  });
});

/** A view whose properties lie. */
const liar = (): Uint8Array =>
  Object.defineProperties(new Uint8Array(3), {
    byteLength: { value: 100 },
    length: { value: 100 },
  });

describe('lengthNow and totalLength', () => {
  it('are those of the memory, whatever properties a view has of its own', () => {
    expect(lengthNow(liar())).toBe(3);
    expect(totalLength([liar(), new DataView(new ArrayBuffer(5), 1)])).toBe(7);
  });
});

describe('isFilledBytes', () => {
  it('is true for bytes of any realm, and runs no code of the value', () => {
    const throws = new Proxy(
      {},
      {
        get: () => () => {
          throw new Error('a trap');
        },
      },
    );
    const filled = [Buffer.from('x'), new Uint8Array(1), runInNewContext('new Uint8Array(1)')];
    expect(filled.map(isFilledBytes)).toEqual([true, true, true]);
    for (const value of [
      new Uint8Array(0),
      new DataView(new ArrayBuffer(1)),
      Object.create(Uint8Array.prototype),
      new Proxy(new Uint8Array(1), throws),
      'x',
      null,
    ])
      expect(isFilledBytes(value)).toBe(false);
  });
});

describe('readBytesList', () => {
  it('reads each element once, and not by the iterator', () => {
    let reads = 0;
    const views = Object.defineProperty([], '0', {
      get() {
        reads++;
        return reads === 1 ? Buffer.from('x') : 'another';
      },
    });
    Object.defineProperty(views, Symbol.iterator, { value: () => ({ next: () => ({}) }) });
    expect(readBytesList('buffers', views)).toEqual([Buffer.from('x')]);
    expect(reads).toBe(1);
    expect(thrown(() => readBytesList('buffers', new Array(2 ** 32 - 1)))).toMatchObject(wrong);
    expect(thrown(() => readBytesList('buffers', 'x'))).toMatchObject(wrong);
  });
});
