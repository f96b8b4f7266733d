import { describe, expect, it } from 'vitest';
import { ClosedResourceError, UnsupportedOperationError } from '#lib/errors';
import { SocketOptions } from '#lib/socket/options';
import { expectNoLeaks } from '../../support/fds';
import * as kit from './kit';

expectNoLeaks();

const IPPROTO_TCP = kit.constant('IPPROTO_TCP');

describe('SocketOptions', () => {
  it('noDelay', async () => {
    const [client] = await kit.tcpPair();
    const options = new SocketOptions(client);
    options.noDelay = true;
    expect([options.noDelay, client.getsockopt(IPPROTO_TCP, kit.constant('TCP_NODELAY'))]).toEqual([
      true,
      1,
    ]);
    options.noDelay = false;
    expect([options.noDelay, client.getsockopt(IPPROTO_TCP, kit.constant('TCP_NODELAY'))]).toEqual([
      false,
      0,
    ]);
    expect(() => (options.noDelay = 1 as never)).toThrow(TypeError);
  });

  it("keepAlive is off, or on with the system's times, or with given ones", async () => {
    const [client] = await kit.tcpPair();
    const options = new SocketOptions(client);
    expect(options.keepAlive).toBe(null);
    options.keepAlive = true;
    const system = options.keepAlive as unknown as Record<string, number>;
    expect(system).toEqual(
      Object.fromEntries(
        ['idle', 'interval', 'count'].map((name) => [name, expect.any(Number) as number]),
      ),
    );
    options.keepAlive = { idle: 1500, interval: 1 };
    expect(options.keepAlive).toEqual({ idle: 2000, interval: 1000, count: system['count'] });
    options.keepAlive = { count: 3 };
    expect(options.keepAlive).toEqual({ idle: 2000, interval: 1000, count: 3 });
    options.keepAlive = false;
    expect(options.keepAlive).toBe(null);
    options.keepAlive = {};
    expect(options.keepAlive).toEqual({ idle: 2000, interval: 1000, count: 3 });
    options.keepAlive = null;
    expect(options.keepAlive).toBe(null);
  });

  it('keepAlive sets all given values, or none', async () => {
    const [client] = await kit.tcpPair();
    const options = new SocketOptions(client);
    for (const value of [
      { idle: 5000, interval: 0 },
      { idle: 5000, interval: NaN },
      { idle: 5000, count: 0 },
      { idle: 5000, count: 128 },
      { idle: 32_768_000 },
      { idle: -1 },
    ]) {
      expect(() => (options.keepAlive = value), JSON.stringify(value)).toThrow(RangeError);
    }
    for (const value of [undefined, 5, 'on', { idle: '5' }])
      expect(() => (options.keepAlive = value as never)).toThrow(TypeError);
    expect(options.keepAlive).toBe(null);
    expect(client.getsockopt(IPPROTO_TCP, kit.constant('TCP_KEEPIDLE'))).not.toBe(5);
    expect(kit.thrown(() => (options.keepAlive = { idle: -1 })).message).toContain('Received -1');
  });

  it('linger', async () => {
    const [client, server] = await kit.tcpPair();
    const options = new SocketOptions(client);
    expect(options.linger).toBe(null);
    options.linger = 1500;
    expect(options.linger).toBe(2000);
    options.linger = null;
    expect(options.linger).toBe(null);
    for (const wrong of [-1, NaN, Infinity, 32_768_000])
      expect(() => (options.linger = wrong)).toThrow(RangeError);
    expect(() => (options.linger = undefined as never)).toThrow(TypeError);
    options.linger = 0;
    expect(options.linger).toBe(0);
    client.close();
    await server.readable();
    expect(kit.thrown(() => server.recv(Buffer.alloc(1)))).toMatchObject({ code: 'ECONNRESET' });
  });

  it('buffer sizes', () => {
    const [left] = kit.pair();
    const options = new SocketOptions(left);
    options.sendBufferSize = 10_000;
    options.receiveBufferSize = 20_000;
    expect([options.sendBufferSize, options.receiveBufferSize]).toEqual([20_000, 40_000]);
    expect([
      left.getsockopt(kit.SOL_SOCKET, kit.SO_SNDBUF),
      left.getsockopt(kit.SOL_SOCKET, kit.SO_RCVBUF),
    ]).toEqual([20_000, 40_000]);
    expect(kit.thrown(() => (options.sendBufferSize = -1)).message).toContain('"sendBufferSize"');
    expect(() => (options.receiveBufferSize = '1' as never)).toThrow(TypeError);
  });

  it('userTimeout', async () => {
    const [client] = await kit.tcpPair();
    const options = new SocketOptions(client);
    expect(options.userTimeout).toBe(0);
    options.userTimeout = 12_345;
    expect(options.userTimeout).toBe(12_345);
    expect(() => (options.userTimeout = 0.5)).toThrow(RangeError);
  });

  it('queueSizes', async () => {
    const [client, server] = await kit.tcpPair();
    server.send(Buffer.from('12345'));
    await client.readable();
    expect(new SocketOptions(client).queueSizes()).toEqual({ unread: 5, unsent: 0 });
    const [left, right] = kit.pair(kit.SOCK_DGRAM);
    right.send(Buffer.from('123'));
    right.send(Buffer.from('1'));
    expect(new SocketOptions(left).queueSizes().unread).toBe(3);
    expect(new SocketOptions(right).queueSizes().unsent).toBeGreaterThan(0);
    expect(new SocketOptions(kit.listening().socket).queueSizes()).toEqual({
      unread: undefined,
      unsent: undefined,
    });
  });

  it('tcpInfo', async () => {
    const [client, server] = await kit.tcpPair();
    client.send(Buffer.alloc(1000));
    await kit.receiveExactly(server, 1000);
    const info = new SocketOptions(server).tcpInfo();
    expect(info).toMatchObject({
      state: 'ESTABLISHED',
      bytesReceived: 1000,
      lost: 0,
      totalRetransmissions: 0,
      slowStartThreshold: Infinity,
      bytesSent: 0,
      notSentBytes: 0,
    });
    expect(new SocketOptions(client).tcpInfo()).toMatchObject({
      bytesSent: 1000,
      bytesRetransmitted: 0,
    });
    expect(info.retransmissionTimeout).toBeGreaterThan(0);
    expect(info.rtt).toBeGreaterThan(0);
    expect(info.pathMtu).toBeGreaterThan(1000);
    client.shutdown('write');
    await server.readable();
    expect(new SocketOptions(server).tcpInfo().state).toBe('CLOSE_WAIT');
    expect(new SocketOptions(kit.listening().socket).tcpInfo().state).toBe('LISTEN');
  });

  it('an option that a Unix or UDP socket does not have is an UnsupportedOperationError, with the cause', () => {
    const udp = new SocketOptions(kit.create(kit.AF_INET, kit.SOCK_DGRAM));
    const unix = new SocketOptions(kit.pair()[0]);
    for (const options of [udp, unix]) {
      for (const call of [
        () => options.noDelay,
        () => (options.noDelay = true),
        () => (options.keepAlive = { idle: 1000 }),
        () => options.userTimeout,
        () => (options.userTimeout = 1),
        () => options.tcpInfo(),
      ]) {
        const error = kit.thrown(call);
        expect(error).toBeInstanceOf(UnsupportedOperationError);
        expect(error.cause).toMatchObject({
          code: expect.stringMatching(/^(ENOPROTOOPT|ENOTSUP)$/) as string,
          syscall: expect.stringMatching(/^[gs]etsockopt$/) as string,
        });
      }
      expect(options.linger).toBe(null);
      expect(options.keepAlive).toBe(null);
    }
  });

  it('every option is a ClosedResourceError after close', () => {
    const [left] = kit.pair();
    const options = new SocketOptions(left);
    left.close();
    for (const call of [
      () => options.noDelay,
      () => (options.noDelay = true),
      () => options.keepAlive,
      () => (options.keepAlive = true),
      () => options.linger,
      () => (options.linger = 0),
      () => options.sendBufferSize,
      () => (options.receiveBufferSize = 5000),
      () => options.userTimeout,
      () => options.tcpInfo(),
      () => options.queueSizes(),
    ]) {
      expect(kit.thrown(call)).toBeInstanceOf(ClosedResourceError);
    }
  });
});
