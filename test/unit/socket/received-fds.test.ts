import { closeSync, fstatSync, openSync, readlinkSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { nativeBinding } from '#lib/binding';
import type { AncillaryData } from '#lib/contract/ancillary';
import { BusyResourceError, InvalidStateError } from '#lib/errors';
import { ancillaryBufferSize, closeReceivedFds, takeReceivedFd } from '#lib/socket/ancillary';
import { NativeSocket } from '#lib/socket/socket';
import { expectNoLeaks, openFdCount } from '../../support/fds';
import { constant, create, AF_INET, pair, SOCK_STREAM, SOL_SOCKET, thrown, track } from './kit';

expectNoLeaks();

const native = nativeBinding();
const open = (path = 'package.json'): number => openSync(path, 'r');

/** Receives duplicates of `fds`. */
function received(fds: readonly number[]): AncillaryData {
  const [left, right] = pair();
  left.sendmsg([Buffer.from('x')], { ancillary: { fds } });
  const message = right.recvmsg([Buffer.alloc(1)], ancillaryBufferSize(fds.length));
  left.close();
  right.close();
  return message?.ancillary ?? {};
}

function receivedFile(path?: string): { ancillary: AncillaryData; fd: number } {
  const sent = open(path);
  const ancillary = received([sent]);
  closeSync(sent);
  return { ancillary, fd: ancillary.fds?.[0] ?? -1 };
}

/** Receives duplicates of sockets. */
function receivedSockets(count: number): { ancillary: AncillaryData; fds: readonly number[] } {
  const sent = Array.from({ length: count }, () => create(AF_INET, SOCK_STREAM));
  const ancillary = received(sent.map(({ fd }) => fd));
  for (const socket of sent) socket.close();
  return { ancillary, fds: ancillary.fds ?? [] };
}

/** Opens a file under the number `fd`, which is free. */
function reopen(fd: number): number {
  const others: number[] = [];
  let got = open();
  for (; got < fd; got = open()) others.push(got);
  others.forEach(closeSync);
  expect(got).toBe(fd);
  return got;
}

const isOpen = (fd: number): boolean => {
  try {
    fstatSync(fd);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'EBADF' });
    return false;
  }
};

describe('received fds', () => {
  it('belong to the environment until they are closed, wrapped or taken', () => {
    const before = native.ownedCount();
    const { ancillary, fds } = receivedSockets(3);
    expect(native.ownedCount()).toBe(before + 3);
    const wrapped = track(NativeSocket.fromFd(fds[0] as number));
    expect(native.ownedCount()).toBe(before + 3);
    const taken = takeReceivedFd(fds[1] as number);
    expect(taken).toBe(fds[1]);
    expect(native.ownedCount()).toBe(before + 2);
    closeReceivedFds(ancillary);
    expect(fds.map(isOpen)).toEqual([true, true, false]);
    wrapped.close();
    closeSync(taken);
    expect(native.ownedCount()).toBe(before);
  });

  it('are still to be closed after fromFd has refused one that is no socket', () => {
    const { ancillary, fd } = receivedFile();
    expect(thrown(() => NativeSocket.fromFd(fd))).toMatchObject({ code: 'ENOTSOCK' });
    closeReceivedFds(ancillary);
    expect(isOpen(fd)).toBe(false);
  });

  it('are closed once, whoever has their number later', () => {
    const { ancillary, fd } = receivedFile();
    closeReceivedFds(ancillary);
    const low: number[] = [];
    let next = receivedFile();
    for (; next.fd < fd; next = receivedFile()) low.push(takeReceivedFd(next.fd));
    low.forEach(closeSync);
    expect(next.fd).toBe(fd);
    closeReceivedFds(ancillary);
    expect(isOpen(fd)).toBe(true);
    closeReceivedFds(next.ancillary);
    closeReceivedFds(next.ancillary);
  });

  it('that were wrapped and closed are not closed again under a number in use', () => {
    const { ancillary, fds } = receivedSockets(1);
    const [fd = -1] = fds;
    NativeSocket.fromFd(fd).close();
    const other = reopen(fd);
    closeReceivedFds(ancillary);
    expect(isOpen(other)).toBe(true);
    closeSync(other);
  });

  it.each([
    ['a file', (): number => receivedFile('tsconfig.json').fd],
    ['a socket', (): number => receivedSockets(1).fds[0] as number],
  ])('closed by fs are not confused with what has their number later (%s)', (_what, receive) => {
    const fd = receive();
    closeSync(fd);
    const other = reopen(fd);
    const token = native.receivedToken(fd);
    expect(native.closeReceived(fd, token)).toBe(-9);
    expect(isOpen(other)).toBe(true);
    expect(native.receivedToken(fd)).toBe(0);
    closeSync(other);
  });

  it('closed by fs make closeReceivedFds throw EBADF, after it has closed the others', () => {
    const { ancillary, fds } = receivedSockets(3);
    closeSync(fds[1] as number);
    expect(thrown(() => closeReceivedFds(ancillary))).toMatchObject({
      code: 'EBADF',
      syscall: 'close',
    });
    expect(fds.map(isOpen)).toEqual([false, false, false]);
  });

  it('void a Socket whose number they got, after other code had closed it', () => {
    const sent = open();
    const [left, right] = pair();
    left.sendmsg([Buffer.from('x')], { ancillary: { fds: [sent] } });
    const stale = create(AF_INET, SOCK_STREAM);
    const { fd } = stale;
    closeSync(fd);
    const message = right.recvmsg([Buffer.alloc(1)], ancillaryBufferSize(1));
    expect(message?.ancillary.fds).toEqual([fd]);
    expect(stale.fd).toBe(-1);
    stale.close();
    expect(isOpen(fd)).toBe(true);
    closeReceivedFds(message?.ancillary ?? {});
    closeSync(sent);
  });

  it('of an object that the caller made are closed by number, but not under their Socket', () => {
    const { ancillary, fds } = receivedSockets(2);
    const socket = track(NativeSocket.fromFd(fds[0] as number));
    closeReceivedFds({ ...ancillary });
    expect(fds.map(isOpen)).toEqual([true, false]);
    socket.close();
  });

  it.each([
    ['null', null, 'TypeError'],
    ['a string as fds', { fds: '3' }, 'TypeError'],
    ['a string as fd', { fds: ['3'] }, 'TypeError'],
    ['a negative fd', { fds: [-1] }, 'RangeError'],
  ])('closeReceivedFds refuses %s', (_what, value, name) => {
    expect(thrown(() => closeReceivedFds(value as never)).name).toBe(name);
  });

  it('takeReceivedFd refuses what is no received fd, or is not to be taken', () => {
    const { ancillary, fds } = receivedSockets(1);
    const [fd = -1] = fds;
    const own = open();
    expect(thrown(() => takeReceivedFd(own))).toBeInstanceOf(InvalidStateError);
    closeSync(own);
    const socket = track(NativeSocket.fromFd(fd));
    expect(thrown(() => takeReceivedFd(fd))).toBeInstanceOf(BusyResourceError);
    socket.close();
    closeReceivedFds(ancillary);
    expect(thrown(() => takeReceivedFd(fd))).toBeInstanceOf(InvalidStateError);
    expect(thrown(() => takeReceivedFd('1' as never)).name).toBe('TypeError');
    expect(thrown(() => takeReceivedFd(-1)).name).toBe('RangeError');
  });
});

describe.runIf(process.platform === 'linux')('a pidfd of SCM_PIDFD', () => {
  function receivePidfd(): { ancillary: AncillaryData; fd: number } {
    const [left, right] = pair();
    right.setsockopt(SOL_SOCKET, constant('SO_PASSPIDFD'), true);
    left.send(Buffer.from('x'));
    const message = right.recvmsg([Buffer.alloc(1)], ancillaryBufferSize(1));
    left.close();
    right.close();
    const [data] = message?.ancillary.messages ?? [];
    expect(data).toMatchObject({ level: SOL_SOCKET, type: constant('SCM_PIDFD') });
    const fd = new Int32Array(data?.data.buffer ?? new ArrayBuffer(4))[0] ?? -1;
    return { ancillary: message?.ancillary ?? {}, fd };
  }

  it('is a received fd: closeReceivedFds closes it', () => {
    const before = openFdCount();
    const owned = native.ownedCount();
    const { ancillary, fd } = receivePidfd();
    expect(readlinkSync(`/proc/self/fd/${String(fd)}`)).toContain('pidfd');
    expect(native.ownedCount()).toBe(owned + 1);
    closeReceivedFds(ancillary);
    expect(native.ownedCount()).toBe(owned);
    expect(openFdCount()).toBe(before);
  });

  it('can be taken by its number', () => {
    const { ancillary, fd } = receivePidfd();
    takeReceivedFd(fd);
    closeReceivedFds(ancillary);
    expect(isOpen(fd)).toBe(true);
    closeSync(fd);
  });
});
