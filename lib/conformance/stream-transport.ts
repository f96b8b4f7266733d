import { defineSuite } from './scenario';
import type { ConformanceSubject, TestRunner } from './subject';
import { defineStreamClosing } from './stream-close';
import type { StreamKind } from './stream-kinds';
import { defineStreamReceiving } from './stream-receive';
import { defineStreamSending } from './stream-send';

/**
 * Defines what every stream transport has to do: receiving, sending, half-closing, closing,
 * cancelling any of it.
 */
export function testStreamTransport(
  runner: TestRunner,
  subject: ConformanceSubject,
  kind: StreamKind,
): void {
  defineSuite(runner, subject, kind.name, (test) => {
    defineStreamReceiving(test, kind);
    defineStreamSending(test, kind);
    defineStreamClosing(test, kind);
  });
}
