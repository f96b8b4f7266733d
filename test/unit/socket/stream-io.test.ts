import type { NativeSocket } from '#lib/socket/socket';
import { closeSync, openSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { nativeBinding } from '#lib/binding';
import {
  BusyResourceError,
  CancelledError,
  ClosedResourceError,
  InvalidStateError,
} from '#lib/errors';
import type { Bytes } from '#lib/contract/bytes';
import { perform } from '#lib/socket/io-operation';
import { RECV_INTO, send, sendGathered } from '#lib/socket/stream-io';
import { expectNoLeaks } from '../../support/fds';
import * as kit from './kit';
import { detach, pattern, resizable } from './memory';

describe(`stream I/O, with ${nativeBinding().reactorKind()}`, () => {
  expectNoLeaks();
  const native = nativeBinding();
  const { iovMax } = native.limits;
  afterEach(() => vi.restoreAllMocks());

  const recv = (socket: NativeSocket, buffer: Bytes): Promise<number> =>
    perform(socket.descriptor, RECV_INTO, buffer);
  const text = async (socket: NativeSocket, size = 100): Promise<string> => {
    const buffer = Buffer.alloc(size);
    return buffer.toString('latin1', 0, await recv(socket, buffer));
  };
  const sendTo = (socket: NativeSocket, data: Bytes): Promise<void> =>
    send(socket.descriptor, data, 'send');
  const gatherTo = (socket: NativeSocket, data: readonly Bytes[]): Promise<void> =>
    sendGathered(socket.descriptor, data, 'sendGathered');

  describe('receive', () => {
    it('receives what has arrived, else waits', async () => {
      const [left, right] = await kit.tcpPair();
      left.send(Buffer.from('one'));
      await right.readable();
      expect(await text(right)).toBe('one');
      const next = text(right);
      expect(await kit.isSettled(next)).toBe(false);
      left.send(Buffer.from('two'));
      expect(await next).toBe('two');
    });

    it('fills a buffer of any kind, at any offset, and changes no byte around it', async () => {
      const [left, right] = kit.pair();
      const whole = new Uint8Array(new SharedArrayBuffer(20)).fill(0x2e);
      const waiting = recv(right, new DataView(whole.buffer, 3, 7));
      left.send(Buffer.from('0123456789'));
      expect(await waiting).toBe(7);
      expect(await recv(right, new Uint16Array(whole.buffer, 16, 2))).toBe(3);
      expect(Buffer.from(whole).toString('latin1')).toBe('...0123456......789.');
    });

    it('a short receive on TCP saves the call that would block', async () => {
      const [left, right] = await kit.tcpPair();
      const calls = vi.spyOn(native, 'recv');
      left.send(Buffer.from('one'));
      await right.readable();
      expect(await text(right)).toBe('one');
      const next = text(right);
      await kit.turns();
      expect(calls).toHaveBeenCalledTimes(1);
      left.send(Buffer.from('two'));
      expect(await next).toBe('two');
      expect(calls).toHaveBeenCalledTimes(2);
    });

    it('returns the end of the stream behind a short receive, again and again', async () => {
      const [left, right] = await kit.tcpPair();
      const waiting = text(right);
      left.send(Buffer.from('last'));
      left.shutdown('write');
      expect(await waiting).toBe('last');
      for (let i = 0; i < 3; i++) expect(await text(right)).toBe('');
    });

    it('returns the end of the stream that came before the first wait', async () => {
      const [left, right] = await kit.tcpPair();
      left.send(Buffer.from('last'));
      left.close();
      await right.readable();
      expect(await text(right)).toBe('last');
      expect(await text(right)).toBe('');
    });

    it('goes on behind the mark of urgent data, where a receive stops short', async () => {
      const [left, right] = await kit.tcpPair();
      const waiting = text(right);
      await kit.turns();
      left.send(Buffer.from('one'));
      left.send(Buffer.from('!'), kit.constant('MSG_OOB'));
      left.send(Buffer.from('two'));
      let received = await waiting;
      while (!received.endsWith('two')) received += await text(right);
      expect(received).toBe('onetwo');
    });

    it('goes on behind control messages, where a receive from a Unix socket stops short', async () => {
      const [left, right] = kit.pair();
      const fd = openSync('package.json', 'r');
      // The socket is registered already, and the kernel reports the arrival once.
      const waiting = text(right);
      await kit.turns();
      left.send(Buffer.from('one'));
      left.sendmsg([Buffer.from('two')], { ancillary: { fds: [fd] } });
      left.send(Buffer.from('three'));
      closeSync(fd);
      let received = await waiting;
      for (let i = 0; i < 3 && received.length < 11; i++) received += await text(right);
      expect(received).toBe('onetwothree');
    });

    it('rejects every later receive with the error that ended the connection', async () => {
      const [left, right] = await kit.tcpPair();
      const waiting = text(right);
      left.setsockopt(kit.SOL_SOCKET, kit.constant('SO_LINGER'), Int32Array.of(1, 0));
      left.close();
      expect(await kit.rejection(waiting)).toMatchObject({ code: 'ECONNRESET', syscall: 'recv' });
      expect(await kit.rejection(text(right))).toMatchObject({ code: 'ECONNRESET' });
    });

    it('rejects with a TypeError if its buffer is detached or shrinks to nothing, and receives nothing', async () => {
      const [left, right] = kit.pair();
      for (const takeAway of [detach, (view: Uint8Array) => resizable.resize(view, 0)]) {
        for (const view of [resizable.bytes(64), resizable.dataView(64)]) {
          const waiting = kit.rejection(recv(right, view));
          await kit.turns();
          takeAway(view as Uint8Array);
          left.send(Buffer.from('x'));
          expect(await waiting).toBeInstanceOf(TypeError);
          expect(await text(right)).toBe('x');
        }
      }
    });

    it('writes no further than the end of a buffer that shrinks while it waits', async () => {
      const [left, right] = kit.pair();
      const view = resizable.bytes(64);
      const waiting = recv(right, view);
      await kit.turns();
      resizable.resize(view, 3);
      left.send(Buffer.from('abcdef'));
      expect(await waiting).toBe(3);
      expect(Buffer.from(view).toString()).toBe('abc');
      expect(await text(right)).toBe('def');
    });

    it('only one may wait, and none on a closed or detached socket', async () => {
      const [, right] = kit.pair();
      const waiting = kit.rejection(text(right));
      const second = await kit.rejection(text(right));
      expect(second).toBeInstanceOf(BusyResourceError);
      expect(second.message).toContain(
        'recvInto() called while another task is receiving already (recv on fd',
      );
      right.close();
      expect(await waiting).toBeInstanceOf(ClosedResourceError);
      expect(await kit.rejection(text(right))).toBeInstanceOf(ClosedResourceError);
    });

    it('receives nothing if it is cancelled', async () => {
      const [left, right] = kit.pair();
      const scope = new kit.FakeScope();
      const waiting = scope.run(() => kit.rejection(text(right)));
      await kit.turns();
      left.send(Buffer.from('kept'));
      const reason = scope.cancel();
      expect(await waiting).toBe(reason);
      expect(await scope.run(() => kit.rejection(text(right)))).toBe(reason);
      expect(await text(right)).toBe('kept');
    });

    it('receives that never wait do not starve a timer', async () => {
      const [left, right] = kit.pair();
      left.close();
      const timer = { isOver: false };
      setTimeout(() => (timer.isOver = true), 1);
      for (let i = 0; i < 1_000_000 && !timer.isOver; i++) await text(right, 1);
      expect(timer.isOver).toBe(true);
    });
  });

  describe('send', () => {
    it('resolves when the kernel has taken everything', async () => {
      const [left, right] = await kit.tcpPair();
      await sendTo(left, Buffer.from('hello'));
      await sendTo(left, Buffer.alloc(0));
      expect((await kit.receiveExactly(right, 5)).toString()).toBe('hello');
    });

    it.each([
      ['TCP', () => kit.tcpPair()],
      ['Unix', async () => kit.pair()],
    ])('waits for room, and sends the rest in order (%s)', async (_name, pair) => {
      const [left, right] = await pair();
      const data = pattern(8 << 20);
      const sending = sendTo(left, data);
      expect(await kit.isSettled(sending)).toBe(false);
      const received = await kit.receiveExactly(right, data.length);
      await sending;
      expect(received.equals(data)).toBe(true);
    });

    it('after EAGAIN, makes no call before the kernel has room', async () => {
      const [left, right] = kit.pair();
      const calls = vi.spyOn(native, 'send');
      const sending = sendTo(left, pattern(4 << 20));
      await kit.turns();
      expect(calls.mock.results.at(-1)?.value).toBe(kit.EAGAIN);
      expect(calls).toHaveBeenCalledTimes(2);
      calls.mockRestore();
      await kit.receiveExactly(right, 4 << 20);
      await sending;
    });

    it('goes on after a part that left room, since no event will come', async () => {
      const [left, right] = await kit.tcpPair();
      await left.writable();
      const { send: real, sendv } = native;
      vi.spyOn(native, 'send').mockImplementationOnce((fd, data) =>
        real(fd, (data as Buffer).subarray(0, 3), 0, 0),
      );
      await sendTo(left, Buffer.from('one '));
      vi.spyOn(native, 'sendv').mockImplementationOnce((fd, flags, skip, first) =>
        sendv(fd, flags, skip, first),
      );
      await gatherTo(left, [Buffer.from('two '), Buffer.from('three')]);
      expect((await kit.receiveExactly(right, 13)).toString()).toBe('one two three');
    });

    it('only one may wait', async () => {
      const [left] = kit.pair();
      const sending = kit.rejection(sendTo(left, pattern(4 << 20)));
      expect(await kit.rejection(sendTo(left, Buffer.from('x')))).toBeInstanceOf(BusyResourceError);
      expect(await kit.rejection(gatherTo(left, [Buffer.from('x')]))).toBeInstanceOf(
        BusyResourceError,
      );
      left.close();
      expect(await sending).toBeInstanceOf(ClosedResourceError);
      expect(await kit.rejection(sendTo(left, Buffer.from('x')))).toBeInstanceOf(
        ClosedResourceError,
      );
    });

    it('has no effect if it is cancelled before the first byte', async () => {
      const [left, right] = kit.pair();
      const filled = kit.fill(left);
      const scope = new kit.FakeScope();
      const sending = scope.run(() => kit.rejection(sendTo(left, Buffer.from('never'))));
      await kit.turns();
      const reason = scope.cancel();
      expect(await sending).toBe(reason);
      expect(reason.bytesSent).toBeUndefined();
      expect(kit.drain(right).length).toBe(filled);
      await sendTo(left, Buffer.from('again'));
      expect(kit.drain(right).toString()).toBe('again');
    });

    it('a cancellation half-way says how many bytes were sent, and no further send may begin', async () => {
      const [left, right] = kit.pair();
      const scope = new kit.FakeScope();
      const sending = scope.run(() => kit.rejection(sendTo(left, pattern(4 << 20))));
      await kit.turns();
      const reason = scope.cancel();
      const error = await sending;
      expect(error).toBeInstanceOf(CancelledError);
      expect(error.cause).toBe(reason);
      expect(reason.bytesSent).toBeUndefined();
      expect(error['bytesSent']).toBe(kit.drain(right).length);
      expect(await kit.rejection(sendTo(left, Buffer.from('x')))).toBeInstanceOf(InvalidStateError);
      expect(await kit.rejection(gatherTo(left, [Buffer.from('x')]))).toBeInstanceOf(
        InvalidStateError,
      );
    });

    it('a close half-way says how many bytes were sent', async () => {
      const [left, right] = kit.pair();
      const sending = kit.rejection(sendTo(left, pattern(4 << 20)));
      left.close();
      const error = await sending;
      expect(error).toBeInstanceOf(ClosedResourceError);
      expect(error['bytesSent']).toBe(kit.drain(right).length);
    });

    it('an error half-way says how many bytes were sent; a closed peer is an error, never a signal', async () => {
      const [left, right] = kit.pair();
      const sending = kit.rejection(sendTo(left, pattern(4 << 20)));
      await kit.turns();
      right.close();
      expect(await sending).toMatchObject({
        code: expect.stringMatching(/^(EPIPE|ECONNRESET)$/) as string,
        bytesSent: expect.any(Number) as number,
      });
      const [one, other] = kit.pair();
      other.close();
      expect(await kit.rejection(sendTo(one, Buffer.from('x')))).toMatchObject({
        code: 'EPIPE',
        errno: -32,
        syscall: 'send',
      });
    });

    it('rejects with a TypeError if its buffer is detached half-way, and breaks the stream', async () => {
      for (const view of [resizable.bytes(4 << 20), resizable.dataView(4 << 20)]) {
        for (const takeAway of [detach, (gone: Bytes) => resizable.resize(gone, 100)]) {
          const [left, right] = kit.pair();
          const fresh = new (view.constructor as new (buffer: ArrayBuffer) => Bytes)(
            resizable.buffer(4 << 20),
          );
          const sending = kit.rejection(sendTo(left, fresh));
          takeAway(fresh);
          const sent = kit.drain(right).length;
          const error = await sending;
          expect(error).toBeInstanceOf(TypeError);
          expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE', bytesSent: sent });
          expect(await kit.rejection(sendTo(left, Buffer.from('x')))).toBeInstanceOf(
            InvalidStateError,
          );
        }
      }
    });

    it('a buffer that is detached before the first byte does not break the stream', async () => {
      const [left, right] = kit.pair();
      kit.fill(left);
      const data = pattern(10);
      const sending = kit.rejection(sendTo(left, data));
      detach(data);
      kit.drain(right);
      const error = await sending;
      expect(error).toBeInstanceOf(TypeError);
      expect(error).not.toHaveProperty('bytesSent');
      await sendTo(left, Buffer.from('x'));
    });

    it('sends that never wait do not starve a timer', async () => {
      const [left, right] = kit.pair();
      const buffer = Buffer.alloc(8);
      const timer = { isOver: false };
      setTimeout(() => (timer.isOver = true), 1);
      for (let i = 0; i < 1_000_000 && !timer.isOver; i++) {
        await sendTo(left, Buffer.from('x'));
        right.recv(buffer);
      }
      expect(timer.isOver).toBe(true);
    });
  });

  describe('sendGathered', () => {
    it('sends buffers of all kinds in order, in one call', async () => {
      const [left, right] = kit.pair();
      const calls = vi.spyOn(native, 'sendv');
      const bytes = pattern(40);
      await gatherTo(left, [
        bytes.subarray(1, 4),
        new Uint8Array(0),
        new DataView(bytes.buffer, 3, 2),
        new Uint16Array(bytes.slice(6, 12).buffer),
      ]);
      expect(calls).toHaveBeenCalledTimes(1);
      expect([...kit.drain(right)]).toEqual([
        ...bytes.subarray(1, 4),
        ...bytes.subarray(3, 5),
        ...bytes.subarray(6, 12),
      ]);
    });

    it('makes no call if there is nothing to send', async () => {
      const [left] = kit.pair();
      const calls = [vi.spyOn(native, 'sendmsg'), vi.spyOn(native, 'sendv')];
      await gatherTo(left, []);
      await gatherTo(left, [new Uint8Array(0), new DataView(new ArrayBuffer(0))]);
      for (const call of calls) expect(call).not.toHaveBeenCalled();
    });

    it('sends more buffers than IOV_MAX in several calls', async () => {
      const [left, right] = kit.pair();
      const data = pattern(3 * (2 * iovMax + 10));
      const buffers = Array.from({ length: data.length / 3 }, (_, i) =>
        data.subarray(3 * i, 3 * i + 3),
      );
      const many = vi.spyOn(native, 'sendmsg');
      const few = vi.spyOn(native, 'sendv');
      await gatherTo(left, buffers);
      expect([many.mock.calls.length, few.mock.calls.length]).toEqual([2, 1]);
      expect(kit.drain(right).equals(data)).toBe(true);
    });

    it('waits for room again and again, wherever in a buffer the kernel stopped', async () => {
      const [left, right] = kit.pair();
      left.setsockopt(kit.SOL_SOCKET, kit.SO_SNDBUF, 5000);
      const data = pattern(1 << 20);
      const buffers: Uint8Array[] = [];
      for (let start = 0, size = 0; start < data.length; start += size, size = (size + 7) % 1200)
        buffers.push(data.subarray(start, start + size));
      expect(buffers.length).toBeGreaterThan(iovMax);
      const sending = gatherTo(left, buffers);
      const received = await kit.receiveExactly(right, data.length);
      await sending;
      expect(received.equals(data)).toBe(true);
    });

    it('rejects with a TypeError if a buffer is detached while it waits: no bytes are left out silently', async () => {
      for (const at of [0, 1, 2]) {
        const [left, right] = kit.pair();
        kit.fill(left);
        const buffers = [pattern(10), pattern(20), pattern(30)];
        const sending = kit.rejection(gatherTo(left, buffers));
        detach(buffers[at] as Uint8Array);
        kit.drain(right);
        expect(await sending).toBeInstanceOf(TypeError);
        await sendTo(left, Buffer.from('x'));
        expect(kit.drain(right).toString()).toBe('x');
      }
    });

    it('a cancellation half-way says how many bytes were sent', async () => {
      const [left, right] = kit.pair();
      const scope = new kit.FakeScope();
      const sending = scope.run(() =>
        kit.rejection(gatherTo(left, [pattern(100), pattern(4 << 20)])),
      );
      scope.cancel();
      expect((await sending)['bytesSent']).toBe(kit.drain(right).length);
      expect(await kit.rejection(sendTo(left, Buffer.from('x')))).toBeInstanceOf(InvalidStateError);
    });

    it('makes no more calls in one turn than the budget allows, and goes on in the next', async () => {
      const [left, right] = kit.pair();
      left.setsockopt(kit.SOL_SOCKET, kit.SO_SNDBUF, 4 << 20);
      const one = Buffer.from('x');
      const count = 400 * iovMax;
      await kit.renewBudget(left);
      const calls = vi.spyOn(native, 'sendmsg');
      const sending = gatherTo(left, new Array<Buffer>(count).fill(one));
      const first = calls.mock.calls.length;
      expect(first).toBeGreaterThan(100);
      expect(first).toBeLessThan(300);
      await sending;
      expect(calls).toHaveBeenCalledTimes(400);
      expect(kit.drain(right).length).toBe(count);
    });
  });
});
