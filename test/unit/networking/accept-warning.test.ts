import { once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { AcceptWarning } from '#lib/networking/accept-warning';

const messages: string[] = [];
const collect = ({ message }: Error): void => void messages.push(message);
afterEach(() => {
  vi.useRealTimers();
  process.off('warning', collect);
  messages.length = 0;
});

describe('AcceptWarning', () => {
  it('warns at most once a minute', async () => {
    process.on('warning', collect);
    vi.useFakeTimers({ toFake: ['performance'] });
    const warning = new AcceptWarning();
    const arrived = once(process, 'warning');
    warning.warn('first');
    vi.advanceTimersByTime(59_900);
    warning.warn('left out');
    vi.advanceTimersByTime(200);
    warning.warn('second');
    warning.warn('left out');
    await arrived;
    await new Promise((resolve) => process.nextTick(resolve));
    expect(messages).toEqual(['first', 'second']);
  });

  it('is silent for one listener, not for others', async () => {
    process.on('warning', collect);
    for (const name of ['one', 'two']) new AcceptWarning().warn(name);
    await new Promise((resolve) => setImmediate(resolve));
    expect(messages).toEqual(['one', 'two']);
  });
});
