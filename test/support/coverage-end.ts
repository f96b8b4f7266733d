import { takeCoverage } from 'node:v8';
import { afterAll } from 'vitest';

// For `npm run coverage`: vitest ends its forks by a signal, but only a process that ends by itself
// writes the counters of V8 and of the addon.
process.once('SIGTERM', () => process.exit());
afterAll(() => takeCoverage());
