import { constants as osConstants } from 'node:os';
import { describe, expect, it, vi } from 'vitest';
import { InvalidStateError } from '#lib/errors';
import { send } from '#lib/socket/stream-io';
import { expectNoLeaks } from '../../support/fds';
import * as kit from './kit';
import { pattern } from './memory';

describe('a send of a stream that the reactor cannot watch', () => {
  expectNoLeaks();

  it('says how many bytes it had sent, and breaks the stream', async () => {
    const [left, right] = kit.pair();
    const { descriptor } = left;
    const arm = vi.spyOn(descriptor.reactor, 'arm').mockReturnValue(-osConstants.errno.ENOSPC);
    const error = await kit.rejection(send(descriptor, pattern(4 << 20), 'send'));
    arm.mockRestore();
    expect(error).toMatchObject({ code: 'ENOSPC', syscall: 'epoll_ctl' });
    expect(error['bytesSent']).toBe(kit.drain(right).length);
    const next = send(descriptor, Buffer.from('x'), 'send');
    expect(await kit.rejection(next)).toBeInstanceOf(InvalidStateError);
  });
});
