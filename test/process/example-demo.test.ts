import { describe, expect, it } from 'vitest';
import { runNode } from '../support/child';

describe('examples/demo', () => {
  it('shows everything at work, and ends with a table', { timeout: 90_000 }, async () => {
    const { code, stdout, stderr } = await runNode('examples/demo/main.mjs', {
      args: ['--seconds', '0.1'],
      timeout: 80_000,
    });
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /passing a TCP connection to another process, by its fd \.\.\. process \d+ speaking/,
    );
    expect(stdout).toMatch(
      /a client that sends nothing, and its deadline \.\.\. cancelled after \d+ ms, and its connection closed/,
    );
    for (const row of ['TCP', 'Unix stream', 'UDP', 'Unix datagram'])
      expect(stdout).toMatch(new RegExp(`^${row} +native +[\\d,]+ +[\\d,]+ +[\\d.]+`, 'm'));
    for (const row of ['TCP +node:net', 'Unix stream +node:net', 'UDP +node:dgram'])
      expect(stdout).toMatch(new RegExp(`^${row} +[\\d,]+`, 'm'));
  });
});
