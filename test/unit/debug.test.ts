import { afterEach, describe, expect, it } from 'vitest';
import { isDebugging, setDebug } from '#lib/debug';
import { NativeSocket } from '#lib/socket/socket';
import { runCode } from '../support/child';
import { collectUntil } from '../support/gc';
import { AF_INET, SOCK_DGRAM } from './socket/kit';

afterEach(() => setDebug(false));

describe('SOCKSCOPE_DEBUG', () => {
  it('turns debugging on, unless it is unset, empty or 0', async () => {
    const code = "import debug from './dist/debug.js'; console.log(debug.isDebugging());";
    for (const [value, expected] of [
      [undefined, 'false'],
      ['', 'false'],
      ['0', 'false'],
      ['1', 'true'],
      ['yes', 'true'],
    ] as const) {
      const { stdout } = await runCode(code, { env: { SOCKSCOPE_DEBUG: value } });
      expect(stdout.trim(), `SOCKSCOPE_DEBUG=${String(value)}`).toBe(expected);
    }
  });
});

describe('setDebug', () => {
  it('turns debugging on and off', () => {
    expect(isDebugging()).toBe(false);
    setDebug(true);
    expect(isDebugging()).toBe(true);
    setDebug(false);
    expect(isDebugging()).toBe(false);
  });

  it('makes sockets record where they are created, from then on', async () => {
    const warnings: string[] = [];
    const onWarning = (warning: Error): unknown => warnings.push(warning.message);
    process.on('warning', onWarning);
    setDebug(true);
    (function theCreator(): void {
      NativeSocket.create(AF_INET, SOCK_DGRAM);
    })();
    await collectUntil(() => warnings.length > 0);
    process.off('warning', onWarning);
    expect(warnings).toEqual([expect.stringMatching(/It was created:\n(.*\n)*.*theCreator/)]);
  });
});
