import type { NativeSocket } from '#lib/socket/socket';
import { describe, expect, it } from 'vitest';
import { nativeBinding } from '#lib/binding';
import type { Bytes } from '#lib/contract/bytes';
import { perform } from '#lib/socket/io-operation';
import { RECV_INTO, send, sendGathered } from '#lib/socket/stream-io';
import { expectNoLeaks } from '../../support/fds';
import * as kit from './kit';

const text = async (socket: NativeSocket): Promise<string> => {
  const buffer = Buffer.alloc(100);
  return buffer.toString('latin1', 0, await perform(socket.descriptor, RECV_INTO, buffer));
};
const sendTo = (socket: NativeSocket, data: Bytes): Promise<void> =>
  send(socket.descriptor, data, 'send');
const gatherTo = (socket: NativeSocket, data: Bytes): Promise<void> =>
  sendGathered(socket.descriptor, [data, data], 'sendGathered');

describe(`a receive after a send that failed, with ${nativeBinding().reactorKind()}`, () => {
  expectNoLeaks();

  it('rejects with the reset that a send has met first, behind the bytes that came before it', async () => {
    for (const failingSend of [sendTo, gatherTo]) {
      // prettier-ignore
      const [left, right] = await kit.tcpPair();
      left.send(Buffer.from('before'));
      right.send(Buffer.from('unread'));
      await left.readable();
      left.close();
      expect(await kit.rejection(failingSend(right, Buffer.from('x')))).toMatchObject({
        code: 'ECONNRESET',
      });
      expect(await kit.rejection(failingSend(right, Buffer.from('x')))).toMatchObject({
        code: 'EPIPE',
      });
      expect(await text(right)).toBe('before');
      for (let i = 0; i < 3; i++) {
        expect(await kit.rejection(text(right))).toMatchObject({
          code: 'ECONNRESET',
          syscall: 'recv',
        });
      }
    }
  });

  it('stays at the end of the stream, which a receive has returned, if a later send is reset', async () => {
    const [left, right] = await kit.tcpPair();
    left.shutdown('write');
    expect(await text(right)).toBe('');
    left.setsockopt(kit.SOL_SOCKET, kit.constant('SO_LINGER'), Int32Array.of(1, 0));
    left.close();
    await kit.rejection(sendTo(right, Buffer.from('x')));
    expect(await text(right)).toBe('');
  });

  it('returns the end of the stream if a send found that the peer does not receive', async () => {
    const [left, right] = await kit.tcpPair();
    left.send(Buffer.from('last'));
    left.close();
    await sendTo(right, Buffer.from('answered by a reset'));
    expect(await kit.rejection(sendTo(right, Buffer.from('x')))).toMatchObject({ code: 'EPIPE' });
    expect(await text(right)).toBe('last');
    expect(await text(right)).toBe('');
    const [one, other] = kit.pair();
    one.close();
    expect(await kit.rejection(sendTo(other, Buffer.from('x')))).toMatchObject({ code: 'EPIPE' });
    expect(await text(other)).toBe('');
  });
});
