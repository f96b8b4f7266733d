/**
 * Serves one peer. A system error of the peer's connection (ECONNRESET, EPIPE, ECONNREFUSED …) ends
 * `body`, and the server goes on. Any other error is thrown.
 */
export async function ignoringPeer(body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    if (typeof (error as { errno?: unknown }).errno !== 'number') throw error;
  }
}
