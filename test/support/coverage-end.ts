import { takeCoverage } from 'node:v8';
import { afterAll } from 'vitest';

// `npm run coverage`: vitest ends its forks by a signal, and the counters of V8 and of the addon are
// written by a process that ends by itself.
process.once('SIGTERM', () => process.exit());
afterAll(() => takeCoverage());
