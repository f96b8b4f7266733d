import { describe, expect, it } from 'vitest';
import { run } from '../support/child';

/** Runs a CommonJS program, with the binding as `native`, in a process that may open 100 fds. */
async function runWithFewFds(program: string, kind: string): Promise<string> {
  const source = `
    const native = require('./dist/binding.js').nativeBinding();
    const { UV_EMFILE: EMFILE } = native.constants;
    const expect = (actual, expected) => { if (actual !== expected) throw new Error('expected ' + expected + ', got ' + actual); };
    const fds = new Int32Array(2);
    expect(native.socketpair(1, 2, 0, fds), 0);
    const [left, right] = fds;
    function exhaust() {
      const taken = [];
      for (let fd = native.socket(1, 2, 0); fd >= 0; fd = native.socket(1, 2, 0)) taken.push(fd);
      expect(native.socket(1, 2, 0), EMFILE);
      return taken;
    }
    ${program}`;
  const { code, stdout, stderr } = await run('sh', {
    args: ['-c', 'ulimit -n 100 && exec "$0" -e "$1"', process.execPath, source],
    env: { SOCKSCOPE_REACTOR: kind },
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

const kinds = process.platform === 'linux' ? ['epoll', 'poll'] : ['poll'];

describe.each(kinds)('without free fds, with the %s reactor', (kind) => {
  it('every call that makes an fd returns UV_EMFILE, leaks none, and works again later', async () => {
    const stdout = await runWithFewFds(
      `
      const listener = native.socket(1, 1, 0);
      const name = new Uint8Array(native.limits.sockaddrMax);
      const path = require('node:path').join(require('node:os').tmpdir(), 'ss-limits-' + process.pid);
      const length = native.encodeUnix(name, Buffer.from(path));
      expect(native.bind(listener, name, length), 0);
      expect(native.listen(listener, 5), 0);
      const client = native.socket(1, 1, 0);
      expect(native.connect(client, name, length), 0);
      require('node:fs').unlinkSync(path);
      const taken = exhaust();
      const owned = native.ownedCount();
      expect(native.accept(listener), EMFILE);
      expect(native.dup(left), EMFILE);
      expect(native.socketpair(1, 1, 0, new Int32Array(2)), EMFILE);
      if (native.reactorKind() === 'epoll') expect(native.reactorOpen(new Int32Array(30), () => {}), EMFILE);
      expect(native.ownedCount(), owned);
      // One more for the epoll set.
      for (const fd of taken.splice(0, 3)) expect(native.close(fd), 0);
      expect(native.reactorOpen(new Int32Array(30), () => {}), 0);
      expect(native.watch(left, 1, 1), 0);
      expect(native.accept(listener) >= 0, true);
      console.log('done');`,
      kind,
    );
    expect(stdout).toBe('done\n');
  });

  it('the kernel drops received fds that find no room, and keeps the data', async () => {
    const stdout = await runWithFewFds(
      `
      const { SOL_SOCKET, SCM_RIGHTS, MSG_CTRUNC } = native.constants;
      const control = new Uint8Array(native.controlSpace(12));
      expect(native.encodeControl(control, 0, SOL_SOCKET, SCM_RIGHTS, Int32Array.of(left, right, left)), control.length);
      expect(native.sendmsg(left, [Buffer.from('data')], 0, null, 0, control, control.length, 0), 4);
      const taken = exhaust();
      expect(native.close(taken.pop()), 0);
      const before = native.ownedCount();
      const result = new Int32Array(3);
      const buffer = Buffer.alloc(9);
      expect(native.recvmsg(right, [buffer], null, control, result, 0), 4);
      expect(buffer.toString('latin1', 0, 4), 'data');
      expect(result[0] & MSG_CTRUNC, MSG_CTRUNC);
      expect(native.ownedCount(), before + 1);
      const fields = new Int32Array(4);
      native.decodeControl(control, result[2], 0, fields);
      expect(fields[3], 4);
      console.log('done');`,
      kind,
    );
    expect(stdout).toBe('done\n');
  });
});
