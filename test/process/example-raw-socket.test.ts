import { describe, expect, it } from 'vitest';
import { runNode } from '../support/child';

describe('examples/raw-socket.mjs', () => {
  it('receives a datagram that was sent from two buffers, with the fd of a file', async () => {
    const outcome = await runNode('examples/raw-socket.mjs');
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(outcome.stdout).toMatch(/^fd \d+: read this: \/\/ The raw socket: .*\n$/);
  });
});
