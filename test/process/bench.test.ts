import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot, run, runNode, type Outcome } from '../support/child';

/**
 * The command of `npm run bench`, without compiling the package first. The tests do use a compiler,
 * for the load generator and for compiled opponents.
 */
const script = join(packageRoot, 'bench', 'run.mjs');
let folder: string;
let env: NodeJS.ProcessEnv;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ss-bench-'));
  // Nothing is installed or compiled there.
  env = { SOCKSCOPE_BENCH_CACHE: join(folder, 'cache') };
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function bench(...args: string[]): Promise<Outcome> {
  return runNode(script, { args: [...args, '--no-install'], env, timeout: 150_000 });
}

interface Results {
  readonly command: string;
  readonly environment: {
    readonly node: { readonly version: string };
    readonly kernel: string;
    readonly cpu: string;
  };
  readonly net: {
    readonly settings: { readonly rounds: number };
    readonly missing: Record<string, string>;
    readonly scenarios: readonly {
      readonly name: string;
      readonly cases: readonly {
        readonly name: string;
        readonly base: string;
        readonly failures: Record<string, string>;
        readonly opponents: readonly {
          readonly name: string;
          readonly samples: readonly Record<string, number>[];
          readonly summary: Record<
            string,
            { readonly median: number; readonly min: number; readonly max: number }
          >;
        }[];
      }[];
    }[];
  };
}

// epoll and /proc.
describe.runIf(process.platform === 'linux')('npm run bench', () => {
  it(
    'measures a scenario end to end, and writes JSON, a table and a report',
    { timeout: 180_000 },
    async () => {
      const json = join(folder, 'results.json');
      const tiny = ['--rounds', '2', '--seconds', '0.3', '--warmup', '0.1', '--requests', '500'];
      const { code, stdout, stderr } = await bench(
        'tcp-echo/1000b',
        '--against',
        'native,net,bun',
        ...tiny,
        '--json',
        json,
      );
      expect(stderr).not.toMatch(/error/i);
      expect(code, stdout).toBe(0);
      expect(stdout).toContain('without bun: not installed');
      expect(stdout).toMatch(/sockscope native +\d/);

      const { command, environment, net } = JSON.parse(readFileSync(json, 'utf8')) as Results;
      expect(command).toMatch(/^npm run bench -- tcp-echo\/1000b --against native,net,bun /);
      expect(environment.node.version).toBe(process.versions.node);
      expect(environment.kernel).toMatch(/^Linux /);
      expect(net.settings.rounds).toBe(2);
      expect(net.missing).toHaveProperty('bun');
      expect(net.scenarios.map(({ name }) => name)).toEqual(['tcp-echo']);
      const [one] = net.scenarios[0]?.cases ?? [];
      expect(one).toMatchObject({ name: '1000b', base: 'net', failures: {} });
      expect(one?.opponents.map(({ name }) => name)).toEqual(['native', 'net']);
      for (const { samples, summary } of one?.opponents ?? []) {
        expect(samples).toHaveLength(2);
        for (const name of [
          'cpu',
          'user',
          'system',
          'rate',
          'p50',
          'p99',
          'rss',
          'lost',
          'client',
          'others',
        ]) {
          const { median, min, max } = summary[name] ?? { median: NaN, min: NaN, max: NaN };
          expect(
            samples.every((sample) => Number.isFinite(sample[name])),
            name,
          ).toBe(true);
          expect(min <= median && median <= max, name).toBe(true);
        }
        expect(summary['rate']?.min).toBeGreaterThan(0);
        expect(summary['rss']?.min).toBeGreaterThan(1e6);
        expect(summary['lost']?.max).toBe(0);
      }

      const report = readFileSync(join(folder, 'results.html'), 'utf8');
      for (const part of [
        'Where we lose',
        'sockscope native',
        'npm run bench -- tcp-echo',
        environment.cpu,
      ])
        expect(report).toContain(part);
      // Self-contained: nothing is loaded from anywhere.
      expect(report).not.toMatch(/<script|<link|src=|url\(/);
    },
  );

  it('measures two builds side by side in every mode', { timeout: 180_000 }, async () => {
    const json = join(folder, 'side-by-side.json');
    const modes = ['quick', 'tcp-echo/1000b', 'native', 'concurrency', 'threads'];
    const tiny = ['--rounds', '1', '--seconds', '0.2', '--warmup', '0.1', '--against', 'native'];
    const { code, stdout, stderr } = await bench(
      ...modes,
      ...tiny,
      '--base',
      packageRoot,
      '--json',
      json,
    );
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^tcp-echo\/1000b native +CPU µs\/request .*–/m);
    const { sideBySide } = JSON.parse(readFileSync(json, 'utf8')) as {
      sideBySide: {
        base: string;
        comparisons: { card: string; base: number; now: number; ratio: number }[];
      };
    };
    for (const start of ['tcp-echo/1000b native', 'native: ', 'concurrency: ', 'threads: '])
      expect(
        sideBySide.comparisons.filter(({ card }) => card.startsWith(start)),
        start,
      ).not.toEqual([]);
    for (const { card, base, now, ratio } of sideBySide.comparisons)
      expect(ratio, card).toBeCloseTo(now / base);
    expect(readdirSync(env['SOCKSCOPE_BENCH_CACHE'] ?? '').join()).not.toContain('base-');
  });

  it('runs the build that --base names', { timeout: 60_000 }, async () => {
    const other = join(folder, 'other');
    const write = (file: string, text: string): void => writeFileSync(join(other, file), text);
    for (const part of ['dist', 'node_modules']) mkdirSync(join(other, part), { recursive: true });
    write('package.json', '{ "name": "sockscope", "main": "dist/index.js" }');
    write('dist/index.mjs', '');
    write('dist/index.js', "throw new Error('the other build')");
    const tiny = ['--rounds', '1', '--seconds', '0.1', '--warmup', '0', '--no-report'];
    const json = ['--json', join(folder, 'other.json')];
    const { stdout } = await bench(
      ...['tcp-echo/1000b', '--against', 'native', '--base', other, ...tiny, ...json],
    );
    expect(stdout).toMatch(/without native@base: .*the other build/);
    const missing = await bench('tcp-echo', '--base', folder);
    expect(missing.stderr).toMatch(/--base: .* is no checkout of sockscope/);
    expect(missing.code).toBe(1);
  });

  it('refuses unknown names, and lists the known ones', { timeout: 60_000 }, async () => {
    for (const [args, message] of [
      [['tcp-ekho'], /no benchmark "tcp-ekho".*tcp-echo/],
      [['tcp-echo/1g'], /tcp-echo has no case "1g": it has 1000b/],
      [['tcp-echo', '--against', 'nett'], /no opponent "nett".*net-await/],
      [['udp-echo', '--against', 'net'], /none of net takes part in udp-echo/],
      [['tcp-echo', '--rounds', 'many'], /--rounds must be a number from 1, not "many"/],
      [['tcp-echo', '--fast'], /--fast/],
      [['tcp-echo', '--node', '/nowhere/node'], /there is no \/nowhere\/node/],
    ] as const) {
      const { code, stderr } = await bench(...args);
      expect(stderr).toMatch(message);
      expect(code).toBe(1);
    }
  });

  it('does not change summaries by reading and writing them', async () => {
    const kept = join(packageRoot, 'bench', 'results', 'node24.json');
    const copy = join(folder, 'node24.json');
    const code = `import('./bench/summary.mjs').then(({ merged, readSummary, writeSummary }) => {
      const summary = readSummary(${JSON.stringify(kept)});
      writeSummary(${JSON.stringify(copy)}, summary);
      const [scenario] = summary.net.scenarios;
      const [one] = scenario.cases;
      const newer = { ...scenario, cases: [{ ...one, opponents: one.opponents.slice(0, 1) }] };
      const environment = { ...summary.environment, date: '2030-01-01' };
      const both = merged(summary, { command: 'again', environment, net: { scenarios: [newer] } });
      console.log(JSON.stringify(both.net.scenarios[0].cases[0]));
    })`;
    const { stdout, stderr } = await run(process.execPath, { args: ['-e', code], env });
    expect(stderr).toBe('');
    expect(readFileSync(copy, 'utf8')).toBe(readFileSync(kept, 'utf8'));
    // An opponent that the newer run left out stays, with the date of its own run.
    const again = JSON.parse(stdout) as {
      measured: object;
      opponents: { name: string; measured?: { date: string } }[];
    };
    expect(again.measured).toMatchObject({ date: '2030-01-01', command: 'again' });
    expect(again.opponents.length).toBeGreaterThan(1);
    expect(again.opponents.map(({ measured }) => measured?.date.slice(0, 4))).toEqual(
      again.opponents.map((_, i) => (i === 0 ? undefined : '2026')),
    );
  });

  it('keeps results that are small', () => {
    const results = join(packageRoot, 'bench', 'results');
    const kept = readdirSync(results).filter((name) => !name.startsWith('last.'));
    expect(kept).toContain('report.html');
    const heavy = kept.filter((name) => statSync(join(results, name)).size > 400 << 10);
    expect(heavy).toEqual([]);
  });

  it('lists modes, scenarios and opponents', async () => {
    const { code, stdout } = await bench('--help');
    expect(code).toBe(0);
    for (const name of ['quick', 'tcp-echo', 'fd-handover', '--against', 'uvloop'])
      expect(stdout).toContain(name);
  });
});

describe.runIf(process.platform === 'linux')('the load generator', () => {
  let server: ReturnType<typeof createServer> | undefined;
  afterEach(async () => {
    if (server === undefined) return;
    server.close();
    await once(server, 'close');
    server = undefined;
  });

  async function loadGenerator(): Promise<string> {
    const code =
      "import('./bench/net/compile.mjs').then(({ compileLoadGenerator }) => console.log(compileLoadGenerator()))";
    const { stdout, stderr } = await run(process.execPath, {
      args: ['-e', code],
      env,
      timeout: 150_000,
    });
    expect(stderr).toBe('');
    return stdout.trim();
  }

  async function echoWith(handler: (socket: Socket, chunk: Buffer) => void): Promise<Outcome> {
    const program = await loadGenerator();
    server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.on('data', (chunk) => handler(socket, chunk));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = `tcp:127.0.0.1:${String((server.address() as AddressInfo).port)}`;
    const args = [
      'echo',
      address,
      '--connections',
      '3',
      '--window',
      '2',
      '--size',
      '300',
      '--warmup',
      '0',
      '--seconds',
      '5',
      '--requests',
      '50',
    ];
    return run(program, { args });
  }

  it('counts only the echoes that equal the data sent', { timeout: 180_000 }, async () => {
    const { code, stdout } = await echoWith((socket, chunk) => socket.write(chunk));
    const result = JSON.parse(stdout) as {
      requests: number;
      bytes: number;
      latency: Record<string, number>;
    };
    expect(result.requests).toBeGreaterThanOrEqual(50);
    expect(result.bytes).toBeGreaterThanOrEqual(50 * 300);
    expect(Object.keys(result.latency)).toEqual(['p50', 'p99', 'max']);
    expect(code).toBe(0);
  });

  it(
    'finds one changed byte, a byte too many, and an answer that belongs to another connection',
    { timeout: 180_000 },
    async () => {
      const changed = await echoWith((socket, chunk) => {
        chunk[chunk.length - 1] = (chunk[chunk.length - 1] ?? 0) ^ 1;
        socket.write(chunk);
      });
      expect(changed).toMatchObject({
        code: 1,
        stdout: expect.stringContaining('what came back is not message') as string,
      });
      const added = await echoWith((socket, chunk) =>
        socket.write(Buffer.concat([chunk, Buffer.from('x')])),
      );
      expect(added).toMatchObject({
        code: 1,
        stdout: expect.stringContaining('what came back is not message') as string,
      });
      let other: Buffer | undefined;
      const swapped = await echoWith((socket, chunk) => {
        other ??= Buffer.from(chunk);
        socket.write(other);
      });
      expect(swapped).toMatchObject({
        code: 1,
        stdout: expect.stringContaining('what came back is not message') as string,
      });
    },
  );

  it('sends nothing to other machines', { timeout: 180_000 }, async () => {
    const { code, stdout } = await run(await loadGenerator(), {
      args: ['echo', 'tcp:192.0.2.1:7'],
    });
    expect(stdout).toContain('not an address of this machine');
    expect(code).toBe(1);
  });
});
