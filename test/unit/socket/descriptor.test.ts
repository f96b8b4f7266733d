import { afterEach, describe, expect, it, vi } from 'vitest';
import { nativeBinding } from '#lib/binding';
import { ClosedResourceError } from '#lib/errors';
import { Descriptor, socketKind } from '#lib/socket/descriptor';
import { NativeSocket } from '#lib/socket/socket';
import { EXCEPTIONAL, READABLE, WRITABLE } from '#lib/socket/reactor';
import { expectNoLeaks } from '../../support/fds';
import * as kit from './kit';

expectNoLeaks();
afterEach(() => vi.restoreAllMocks());

const { AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM, SOCK_DGRAM } = kit;

describe('Descriptor', () => {
  it('knows what a short read proves', () => {
    const kind = (family: number, type: number, protocol = 0): [boolean, boolean] => {
      const { isInet, isTcp } = kit.create(family, type, protocol).descriptor.kind;
      return [isInet, isTcp];
    };
    expect(kind(AF_INET, SOCK_STREAM)).toEqual([true, true]);
    expect(kind(AF_INET6, SOCK_STREAM, kit.constant('IPPROTO_TCP'))).toEqual([true, true]);
    expect(kind(AF_INET, SOCK_DGRAM)).toEqual([true, false]);
    expect(kind(AF_UNIX, SOCK_STREAM)).toEqual([false, false]);
    // Messages of a stream of another protocol are not bytes of one: made up, since few kernels
    // have SCTP.
    const fd = kit.create(AF_UNIX, SOCK_STREAM).detach();
    const sctp = new Descriptor(fd, socketKind(AF_INET, SOCK_STREAM, kit.constant('IPPROTO_SCTP')));
    expect([sctp.kind.isInet, sctp.kind.isTcp]).toEqual([true, false]);
    nativeBinding().adopt(fd, new Int32Array(4));
    sctp.close();
  });

  it('after a hang-up or an error, a short read proves nothing any more', () => {
    const { descriptor } = kit.pair()[0];
    descriptor.drained();
    expect(descriptor.mayRead).toBe(false);
    descriptor.notify(READABLE);
    expect([descriptor.mayRead, descriptor.exceptional]).toEqual([true, false]);
    descriptor.mayWrite = false;
    descriptor.notify(READABLE);
    expect(descriptor.mayWrite).toBe(false);
    descriptor.notify(WRITABLE);
    expect(descriptor.mayWrite).toBe(true);
    descriptor.mayRead = descriptor.mayWrite = false;
    descriptor.notify(EXCEPTIONAL);
    expect([descriptor.mayRead, descriptor.mayWrite]).toEqual([true, true]);
    descriptor.drained();
    expect(descriptor.mayRead).toBe(true);
  });

  it('close and detach are idempotent, and tell the code of close(2)', () => {
    const { descriptor } = kit.pair()[0];
    const close = vi.spyOn(nativeBinding(), 'close').mockReturnValueOnce(-5);
    expect(descriptor.close()).toBe(-5);
    expect([descriptor.close(), descriptor.detach()]).toEqual([0, -1]);
    expect(close).toHaveBeenCalledTimes(1);
    nativeBinding().close(close.mock.calls[0]?.[0] as number);
    const other = kit.pair()[0].descriptor;
    const { fd } = other;
    expect([other.detach(), other.detach(), other.close()]).toEqual([fd, -1, 0]);
    nativeBinding().adopt(fd, new Int32Array(4));
    nativeBinding().close(fd);
  });

  it('gives its place in the reactor back', async () => {
    for (const end of ['close', 'detach'] as const) {
      const [left, right] = kit.pair();
      const waiting = kit.rejection(left.readable());
      const { descriptor, fd } = left;
      expect(descriptor.slot).toBeGreaterThanOrEqual(0);
      descriptor[end]();
      expect(descriptor.slot).toBe(-1);
      expect(await waiting).toBeInstanceOf(ClosedResourceError);
      if (end === 'detach') kit.track(NativeSocket.fromFd(fd));
      expect(right.fd).toBeGreaterThanOrEqual(0);
    }
  });

  it('is closed for the kernel before anybody is told', async () => {
    const [left, right] = kit.pair();
    let fdThen: number | undefined;
    left.descriptor.onWriteEnd = () => {
      fdThen = left.fd;
      expect(right.recv(Buffer.alloc(1))).toBe(0);
    };
    const filled = kit.fill(left);
    const waiting = kit.rejection(left.writable());
    expect(kit.drain(right).length).toBe(filled);
    left.close();
    expect(fdThen).toBe(-1);
    expect(await waiting).toBeInstanceOf(ClosedResourceError);
  });

  it('a graceful close ends receiving, and lets the send under way go on', async () => {
    const [left, right] = kit.pair();
    const filled = kit.fill(left);
    const [reading, writing] = [kit.rejection(left.readable()), left.writable()];
    left.descriptor.stopReading();
    expect(await reading).toMatchObject({
      code: 'ERR_CLOSED_RESOURCE',
      message: 'The socket was closed while a task was waiting on it (poll)',
    });
    expect(left.descriptor.refusal('write', 'send')).toBeInstanceOf(ClosedResourceError);
    expect(kit.drain(right).length).toBe(filled);
    await writing;
  });
});
