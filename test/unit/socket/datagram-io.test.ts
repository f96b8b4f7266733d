import type { NativeSocket } from '#lib/socket/socket';
import { closeSync, openSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { nativeBinding } from '#lib/binding';
import { encodeAddress } from '#lib/socket/address';
import { ancillaryBufferSize, closeReceivedFds } from '#lib/socket/ancillary';
import {
  receiveDatagram,
  receiveDatagramInto,
  receiveDatagramMessage,
  sendDatagram,
} from '#lib/socket/datagram-io';
import { WOULD_BLOCK } from '#lib/socket/io-operation';
import { expectNoLeaks, openFdCount } from '../../support/fds';
import { shortSocketPath } from '../../support/socket-path';
import * as kit from './kit';
import { pattern } from './memory';

expectNoLeaks();
afterEach(() => vi.restoreAllMocks());

const native = nativeBinding();
const { SOCK_DGRAM } = kit;

const receive = (socket: NativeSocket): Uint8Array => {
  const datagram = receiveDatagram(socket.descriptor, null);
  if (datagram === WOULD_BLOCK) throw new Error('nothing there');
  return datagram.data;
};

describe('receiveDatagram', () => {
  it('returns one whole datagram, also an empty one', () => {
    const [left, right] = kit.pair(SOCK_DGRAM);
    const data = pattern(200_000);
    left.send(data);
    left.send(Buffer.alloc(0));
    left.send(Buffer.from('abc'));
    const first = receive(right);
    expect(Buffer.compare(first, data)).toBe(0);
    expect(receive(right).length).toBe(0);
    const third = receive(right);
    expect(Buffer.from(third).toString()).toBe('abc');
    expect(receiveDatagram(right.descriptor, null)).toBe(WOULD_BLOCK);
    expect(right.descriptor.isReady('read')).toBe(false);
  });

  it('a long datagram that arrives after the kernel was asked is whole, too', () => {
    const [left, right] = kit.pair(SOCK_DGRAM);
    const data = pattern(150_000);
    vi.spyOn(native, 'unreadSize').mockImplementationOnce(() => {
      left.send(data);
      return 0;
    });
    expect(Buffer.compare(receive(right), data)).toBe(0);
  });

  it('a datagram longer than the kernel said is EMSGSIZE, never a part of it', () => {
    const [left, right] = kit.pair(SOCK_DGRAM);
    left.send(pattern(100_000));
    vi.spyOn(native, 'unreadSize').mockReturnValueOnce(10);
    expect(kit.thrown(() => receive(right))).toMatchObject({
      code: 'EMSGSIZE',
      syscall: 'recvmsg',
    });

    const before = openFdCount();
    const fd = openSync('package.json', 'r');
    left.sendmsg([pattern(100_000)], { ancillary: { fds: [fd] } });
    closeSync(fd);
    vi.spyOn(native, 'unreadSize').mockReturnValueOnce(10);
    expect(kit.thrown(() => receiveDatagramMessage(right.descriptor, 64))).toMatchObject({
      code: 'EMSGSIZE',
    });
    expect(openFdCount()).toBe(before);
  });

  it('returns the longest UDP datagram whole, with its sender', async () => {
    const receiver = kit.bound(SOCK_DGRAM);
    const sender = kit.bound(SOCK_DGRAM);
    sender.socket.sendmsg([pattern(65_507)], { address: receiver.address });
    await receiver.socket.readable();
    const name = new Uint8Array(native.limits['sockaddrMax']);
    const datagram = receiveDatagram(receiver.socket.descriptor, name);
    const sockaddr = encodeAddress(sender.address, 'test');
    expect(datagram).toMatchObject({ nameLength: sockaddr.length });
    expect(name.subarray(0, sockaddr.length)).toEqual(sockaddr.bytes.subarray(0, sockaddr.length));
    expect(Buffer.compare((datagram as { data: Uint8Array }).data, pattern(65_507))).toBe(0);
  });

  it('throws the error of an earlier send once', async () => {
    const receiver = kit.bound(SOCK_DGRAM);
    const sender = await kit.connected(kit.AF_INET, SOCK_DGRAM, receiver.address);
    receiver.socket.close();
    sender.send(Buffer.from('x'));
    await sender.readable();
    expect(kit.thrown(() => receive(sender))).toMatchObject({
      code: 'ECONNREFUSED',
      syscall: 'recvmsg',
    });
    expect(receiveDatagram(sender.descriptor, null)).toBe(WOULD_BLOCK);
  });
});

describe('receiveDatagramInto', () => {
  it('receives one datagram into the buffer, or throws EMSGSIZE if it does not fit', () => {
    const [left, right] = kit.pair(SOCK_DGRAM);
    const buffer = Buffer.alloc(4);
    left.send(Buffer.from('1234'));
    left.send(Buffer.from('12345'));
    left.send(Buffer.from('abc'));
    expect(receiveDatagramInto(right.descriptor, buffer)).toBe(4);
    expect(kit.thrown(() => receiveDatagramInto(right.descriptor, buffer))).toMatchObject({
      code: 'EMSGSIZE',
      errno: -90,
      syscall: 'recvmsg',
    });
    expect(receiveDatagramInto(right.descriptor, buffer)).toBe(3);
    expect(buffer.toString()).toBe('abc4');
    expect(receiveDatagramInto(right.descriptor, buffer)).toBe(WOULD_BLOCK);
  });
});

describe('receiveDatagramMessage', () => {
  it('returns control messages and sender', () => {
    const [left, right] = kit.pair(SOCK_DGRAM);
    left.bind(shortSocketPath());
    const fd = openSync('package.json', 'r');
    left.sendmsg([pattern(100_000)], { ancillary: { fds: [fd] } });
    closeSync(fd);
    const message = receiveDatagramMessage(right.descriptor, ancillaryBufferSize(1));
    expect(message).toMatchObject({
      bytes: 100_000,
      address: left.localAddress(),
      ancillary: { fds: [expect.any(Number)] },
    });
    if (message !== WOULD_BLOCK) {
      expect(Buffer.compare(message.data, pattern(100_000))).toBe(0);
      closeReceivedFds(message.ancillary);
    }
    expect(receiveDatagramMessage(right.descriptor, 64)).toBe(WOULD_BLOCK);
  });
});

describe('sendDatagram', () => {
  it('sends one whole datagram, to the peer or to an address, or returns WOULD_BLOCK', () => {
    const receiver = kit.create(kit.AF_UNIX, SOCK_DGRAM);
    receiver.bind('');
    const sender = kit.create(kit.AF_UNIX, SOCK_DGRAM);
    const to = encodeAddress(receiver.localAddress(), 'test');
    expect(sendDatagram(sender.descriptor, [Buffer.from('ab'), Buffer.from('cd')], to, null)).toBe(
      undefined,
    );
    sender.connect(receiver.localAddress());
    expect(sendDatagram(sender.descriptor, [Buffer.from('ef')], null, null)).toBe(undefined);
    expect(sendDatagram(sender.descriptor, [], null, null)).toBe(undefined);
    expect(
      [receive(receiver), receive(receiver), receive(receiver)].map((data) =>
        Buffer.from(data).toString(),
      ),
    ).toEqual(['abcd', 'ef', '']);
    let result: unknown;
    for (let i = 0; i < 1000 && result !== WOULD_BLOCK; i++)
      result = sendDatagram(sender.descriptor, [Buffer.from('x')], null, null);
    expect(result).toBe(WOULD_BLOCK);
    expect(sender.descriptor.isReady('write')).toBe(false);
  });

  it('names the system call that failed', () => {
    const alone = kit.create(kit.AF_INET, SOCK_DGRAM);
    expect(
      kit.thrown(() => sendDatagram(alone.descriptor, [Buffer.from('x')], null, null)),
    ).toMatchObject({
      code: 'EDESTADDRREQ',
      syscall: 'send',
    });
    expect(
      kit.thrown(() =>
        sendDatagram(alone.descriptor, [Buffer.from('x'), Buffer.from('x')], null, null),
      ),
    ).toMatchObject({
      code: 'EDESTADDRREQ',
      syscall: 'sendmsg',
    });
  });
});
