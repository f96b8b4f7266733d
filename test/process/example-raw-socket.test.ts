import { describe, expect, it } from 'vitest';
import { runNode } from '../support/child';

describe('examples/raw-socket.mjs', () => {
  it('receives one datagram of two buffers, and the file that came with it', async () => {
    const outcome = await runNode('examples/raw-socket.mjs');
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(outcome.stdout).toMatch(/^fd \d+: read this: \/\/ The raw socket: .*\n$/);
  });
});
