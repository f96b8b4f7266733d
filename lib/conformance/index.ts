/** Tests for a backend: `testBackend` checks what the contract of AsyncBackend asks of each one. */
export { testBackend } from './test-backend';
export type {
  ConformanceSubject,
  Feature,
  SocketOffer,
  SocketOffers,
  TestResources,
  TestRunner,
} from './subject';
