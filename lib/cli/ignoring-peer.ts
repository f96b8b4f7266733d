/**
 * Serves one peer: its going away (a system error: ECONNRESET, EPIPE, ECONNREFUSED …) ends `body`,
 * and is no failure of the server. Any other error goes on.
 */
export async function ignoringPeer(body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    if (typeof (error as { errno?: unknown }).errno !== 'number') throw error;
  }
}
