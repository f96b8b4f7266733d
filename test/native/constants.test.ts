import { constants as os } from 'node:os';
import { describe, expect, it } from 'vitest';
import { startPython } from '../support/python';
import { constant, limits, native } from './kit';

describe('constants', () => {
  it('are the numbers that Python has on this platform', async () => {
    await using python = startPython(`
names = hear()
say({name: getattr(socket, name) for name in names if hasattr(socket, name)})
`);
    python.tell(Object.keys(native.constants));
    const theirs = await python.hear<Record<string, number>>();
    expect(Object.keys(theirs).length).toBeGreaterThan(100);
    const ours = Object.fromEntries(
      Object.keys(theirs).map((name) => [name, native.constants[name]]),
    );
    expect(ours).toEqual(theirs);
  });

  it('contain the negated number of each errno that Node and libuv name', () => {
    for (const [name, errno] of Object.entries(os.errno)) {
      const code = native.constants[`UV_${name}`];
      // libuv has fewer names, and only one name per number.
      if (code !== undefined && name !== 'EWOULDBLOCK') expect(code, name).toBe(-errno);
    }
    expect(constant('UV_EAGAIN')).toBe(-os.errno.EAGAIN);
    expect(constant('UV_EOF')).toBe(-4095);
  });

  it('are frozen', () => {
    expect(Object.isFrozen(native.constants)).toBe(true);
    expect(Object.isFrozen(native.limits)).toBe(true);
  });
});

describe('limits', () => {
  it.runIf(process.platform === 'linux')('are those of Linux', () => {
    expect(limits).toEqual({
      iovMax: 1024,
      unixPathMax: 108,
      unixPathOffset: 2,
      sockaddrMax: 128,
      batch: 256,
      directMax: 64,
    });
  });
});
