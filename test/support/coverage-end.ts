import { takeCoverage } from 'node:v8';
import { afterAll } from 'vitest';

// For `npm run coverage`: vitest ends its forks by a signal, but only a process that ends by itself
// writes the counters of the addon. vitest replaces `process.exit`, so what that calls is called.
const { reallyExit } = process as unknown as { reallyExit(code: number): never };
process.once('SIGTERM', () => {
  reallyExit.call(process, 0);
});
afterAll(() => {
  takeCoverage();
});
