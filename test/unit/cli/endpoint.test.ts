import { describe, expect, it } from 'vitest';
import { describeError } from '#lib/cli/describe-error';
import { type Endpoint, formatEndpoint, parseEndpoint, UsageError } from '#lib/cli/endpoint';
import { formatTable } from '#lib/cli/table';
import { TimeoutError } from '#lib/errors';

const ALL = ['tcp', 'udp', 'unix', 'unixgram', 'fd', 'stdio'] as const;

describe('parseEndpoint', () => {
  it.each<[string, Endpoint]>([
    ['tcp:127.0.0.1:80', { kind: 'tcp', host: '127.0.0.1', port: 80 }],
    ['tcp::80', { kind: 'tcp', host: '', port: 80 }],
    ['udp:[::1]:0', { kind: 'udp', host: '::1', port: 0 }],
    ['tcp:name.example:65535', { kind: 'tcp', host: 'name.example', port: 65535 }],
    ['unix:/run/a:b', { kind: 'unix', path: '/run/a:b' }],
    ['unixgram:@abstract', { kind: 'unixgram', path: '\0abstract' }],
    ['fd:3', { kind: 'fd', fd: 3 }],
    ['stdio', { kind: 'stdio' }],
  ])('parses %s, and formats it as the same text', (text, endpoint) => {
    expect(parseEndpoint(text, ALL)).toEqual(endpoint);
    expect(formatEndpoint(endpoint)).toBe(text);
  });

  it('parses - as stdio', () => {
    expect(parseEndpoint('-', ALL)).toEqual({ kind: 'stdio' });
  });

  it.each([
    '',
    'tcp',
    'tcp:',
    'tcp:a',
    'tcp:a:b',
    'tcp:a:-1',
    'tcp:a:65536',
    'tcp:a:1:2',
    'tcp:::1:80',
    'tcp:[::1]',
    'unix:',
    'unixgram:',
    'fd:',
    'fd:-1',
    'fd:1x',
    'x:y',
  ])('%j is a usage error with the text in its message', (text) => {
    expect(() => parseEndpoint(text, ALL)).toThrow(UsageError);
    expect(() => parseEndpoint(text, ALL)).toThrow(`"${text}"`);
  });

  it('names the kinds that a command accepts, in the error of another kind', () => {
    expect(() => parseEndpoint('fd:3', ['tcp', 'unix'])).toThrow(
      '"fd:3": fd does not work here; use tcp, unix',
    );
  });
});

describe('formatTable', () => {
  it('aligns words to the left and numbers to the right', () => {
    const rows = [
      ['a', '1'],
      ['longer', '1,000'],
    ];
    expect(formatTable(['what', 'n'], rows).split('\n')).toEqual([
      'what        n',
      '──────  ─────',
      'a           1',
      'longer  1,000',
    ]);
  });
});

describe('describeError', () => {
  it('is the message of an error with a code, and the stack of any other error', () => {
    expect(describeError(new TimeoutError('late'))).toBe('late');
    expect(describeError(new Error('defect'))).toMatch(/^Error: defect\n {4}at /);
    expect(describeError('text')).toBe('text');
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    expect(
      describeError(
        new AggregateError([refused, refused, new AggregateError([new TimeoutError('late')])]),
      ),
    ).toBe('connect ECONNREFUSED\nlate');
  });
});
