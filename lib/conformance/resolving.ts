import type { InetAddress } from '../contract/addresses';
import assert from 'node:assert/strict';
import {
  BAD_RANGE,
  BAD_TYPE,
  CANCELLED,
  endsQuietly,
  rejectsWith,
  UNSUPPORTED,
} from './expectations';
import { defineSuite, lacks } from './scenario';
import type { ConformanceSubject, TestRunner } from './subject';

/**
 * Defines what name look-ups have to do. Nothing in it asks a name server: names are numeric,
 * 'localhost', or too long to be any.
 */
export function testResolving(runner: TestRunner, subject: ConformanceSubject): void {
  defineSuite(runner, subject, 'getaddrinfo', (test) => {
    test('of a numeric address gives an answer for each kind of socket, or for the one asked for', async (scenario) => {
      const { backend } = scenario;
      const address: InetAddress = { address: '127.0.0.1', port: 80, family: 'IPv4' };
      const family = scenario.constant('AF_INET');
      const stream = {
        family,
        type: scenario.constant('SOCK_STREAM'),
        proto: 6,
        canonname: '',
        address,
      };
      const datagram = {
        family,
        type: scenario.constant('SOCK_DGRAM'),
        proto: 17,
        canonname: '',
        address,
      };
      const all = await backend.getaddrinfo('127.0.0.1', 80);
      assert.deepEqual(all.slice(0, 2), [stream, datagram]);
      assert.deepEqual(await backend.getaddrinfo('127.0.0.1', 80, { type: stream.type }), [stream]);
      assert.deepEqual(
        await backend.getaddrinfo('127.0.0.1', 80, { type: datagram.type, proto: 17 }),
        [datagram],
      );
      assert.deepEqual(
        await backend.getaddrinfo('127.0.0.1', '80', { type: stream.type, family }),
        [stream],
      );
      assert.deepEqual(await backend.getaddrinfo('127.0.0.1', null, { type: stream.type }), [
        { ...stream, address: { ...address, port: 0 } },
      ]);
    });

    test('of an IPv6 address, with its zone as a number', async (scenario) => {
      const type = scenario.constant('SOCK_STREAM');
      const [plain] = await scenario.backend.getaddrinfo('::1', 443, { type });
      assert.deepEqual(plain, {
        family: scenario.constant('AF_INET6'),
        type,
        proto: 6,
        canonname: '',
        address: { address: '::1', port: 443, family: 'IPv6' },
      });
      const [zoned] = await scenario.backend.getaddrinfo('fe80::1%1', 443, { type });
      assert.deepEqual(zoned?.address, {
        address: 'fe80::1',
        port: 443,
        family: 'IPv6',
        scopeId: 1,
      });
    });

    test('of localhost is of the loopback interface, also for many who ask at once', async (scenario) => {
      const { backend } = scenario;
      const type = scenario.constant('SOCK_STREAM');
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => backend.getaddrinfo('localhost', 80, { type })),
      );
      for (const answer of answers) {
        assert.ok(answer.length > 0);
        for (const { address } of answer)
          assert.ok(address.address === '127.0.0.1' || address.address === '::1', address.address);
      }
    });

    test('of no host is the loopback interface, or every interface', async (scenario) => {
      const type = scenario.constant('SOCK_STREAM');
      const ofNull = async (flags: number, family = 0): Promise<string[]> =>
        (await scenario.backend.getaddrinfo(null, 80, { type, flags, family })).map(
          ({ address }) => address.address,
        );
      assert.ok((await ofNull(0)).includes('127.0.0.1'));
      assert.ok((await ofNull(scenario.constant('AI_PASSIVE'))).includes('0.0.0.0'));
      assert.deepEqual(await ofNull(0, scenario.constant('AF_INET6')), ['::1']);
      assert.deepEqual(
        await ofNull(scenario.constant('AI_PASSIVE'), scenario.constant('AF_INET')),
        ['0.0.0.0'],
      );
    });

    test('a failed look-up rejects with an error as Node has it', async (scenario) => {
      const { backend } = scenario;
      const flags = scenario.constant('AI_NUMERICHOST');
      const error = await rejectsWith<NodeJS.ErrnoException & { hostname?: string }>(
        'ENOTFOUND',
        () => backend.getaddrinfo('no.address', 80, { flags }),
      );
      assert.equal(error.syscall, 'getaddrinfo');
      assert.equal(error.hostname, 'no.address');
      assert.ok((error.errno ?? 0) < 0);
      await rejectsWith('ENOTFOUND', () => backend.getaddrinfo('', 80));
      await rejectsWith('ENOTFOUND', () => backend.getaddrinfo(null, null));
      await rejectsWith('EAI_FAMILY', () => backend.getaddrinfo('127.0.0.1', 80, { family: 99 }));
      await rejectsWith(['EAI_SOCKTYPE', 'EAI_SERVICE'], () =>
        backend.getaddrinfo('127.0.0.1', 80, { type: scenario.constant('SOCK_STREAM'), proto: 17 }),
      );
    });

    test('of services and canonical names, or the backend says that it knows none', async (scenario) => {
      const { backend } = scenario;
      const type = scenario.constant('SOCK_STREAM');
      const ask = async (): Promise<number | undefined> =>
        (await backend.getaddrinfo('127.0.0.1', 'http', { type }))[0]?.address.port;
      if (lacks(subject, 'service names')) await rejectsWith(UNSUPPORTED, ask);
      else assert.equal(await ask(), 80);
      const flags = scenario.constant('AI_CANONNAME');
      const name = async (): Promise<string | undefined> =>
        (await backend.getaddrinfo('localhost', 80, { type, flags }))[0]?.canonname;
      if (lacks(subject, 'canonical names')) await rejectsWith(UNSUPPORTED, name);
      else assert.notEqual(await name(), '');
      await rejectsWith('ENOTFOUND', () =>
        backend.getaddrinfo('127.0.0.1', 'http', {
          type,
          flags: scenario.constant('AI_NUMERICSERV'),
        }),
      );
    });

    test('rejects invalid arguments', async ({ backend }) => {
      for (const host of [undefined, 5, {}, 'a\0b'])
        await rejectsWith(BAD_TYPE, () => backend.getaddrinfo(host as never, 80));
      for (const port of [undefined, {}, true])
        await rejectsWith(BAD_TYPE, () => backend.getaddrinfo('127.0.0.1', port as never));
      for (const port of [-1, 65536, NaN])
        await rejectsWith(BAD_RANGE, () => backend.getaddrinfo('127.0.0.1', port));
      for (const hint of ['family', 'type', 'proto', 'flags']) {
        await rejectsWith(BAD_RANGE, () => backend.getaddrinfo('127.0.0.1', 80, { [hint]: -1 }));
        await rejectsWith(BAD_TYPE, () => backend.getaddrinfo('127.0.0.1', 80, { [hint]: '1' }));
      }
    });

    test('rejects in a cancelled scope, and leaves at once when it is cancelled', async (scenario) => {
      const { backend } = scenario;
      await scenario.inCancelledScope(() =>
        rejectsWith(CANCELLED, () => backend.getaddrinfo('127.0.0.1', 80)),
      );
      const scope = backend.openCancelScope();
      let looking: Promise<unknown> = Promise.resolve();
      const running = scope.run(() => (looking = backend.getaddrinfo('localhost', 80)));
      scope.cancel();
      await rejectsWith(CANCELLED, () => looking);
      await endsQuietly(running);
      // Who asks the same next is not cancelled.
      assert.ok((await backend.getaddrinfo('localhost', 80)).length > 0);
    });
  });

  defineSuite(runner, subject, 'getnameinfo', (test) => {
    const address: InetAddress = { address: '127.0.0.1', port: 64_999, family: 'IPv4' };

    test('resolves to numbers where the flags ask for them', async (scenario) => {
      const { backend } = scenario;
      const host = scenario.constant('NI_NUMERICHOST');
      const service = scenario.constant('NI_NUMERICSERV');
      assert.deepEqual(await backend.getnameinfo(address, host | service), ['127.0.0.1', '64999']);
      assert.deepEqual(await backend.getnameinfo(address, host), ['127.0.0.1', '64999']);
      assert.deepEqual(
        await backend.getnameinfo({ address: '::1', port: 64_999, family: 'IPv6' }, host | service),
        ['::1', '64999'],
      );
      assert.equal((await backend.getnameinfo({ ...address, port: 80 }, service))[1], '80');
    });

    test('resolves to names where there are any', async (scenario) => {
      const [host, service] = await scenario.backend.getnameinfo({ ...address, port: 80 });
      assert.notEqual(host, '');
      assert.ok(['http', 'www', '80'].includes(service), service);
    });

    test('rejects an invalid address, and in a cancelled scope', async (scenario) => {
      const { backend } = scenario;
      for (const other of [
        null,
        undefined,
        5,
        {},
        { ...address, address: 'localhost' },
        { ...address, address: 5 },
      ]) {
        await rejectsWith(BAD_TYPE, () => backend.getnameinfo(other as never));
      }
      await rejectsWith(BAD_RANGE, () => backend.getnameinfo({ ...address, port: 65_536 }));
      await rejectsWith(BAD_RANGE, () => backend.getnameinfo(address, -1));
      await scenario.inCancelledScope(() =>
        rejectsWith(CANCELLED, () => backend.getnameinfo(address)),
      );
    });
  });
}
