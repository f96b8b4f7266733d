import { describe, expect, it } from 'vitest';
import { parseTcpInfo } from '#lib/socket/tcp-info';

/**
 * struct tcp_info whose 32-bit words count up, so that a field read at a wrong offset has a wrong
 * value.
 */
function counted(bytes: number): Uint8Array {
  const words = new Uint32Array(bytes / 4).map((_, i) => i * 1000);
  const info = new Uint8Array(words.buffer);
  info.set([4, 0, 2, 3, 5]);
  return info;
}
const word = (offset: number): number => (offset / 4) * 1000;
const long = (offset: number): number => word(offset) + word(offset + 4) * 2 ** 32;

describe('parseTcpInfo', () => {
  it('reads every field at its offset in linux/tcp.h', () => {
    expect(parseTcpInfo(counted(240))).toEqual({
      state: 'FIN_WAIT1',
      retransmits: 2,
      probes: 3,
      backoff: 5,
      retransmissionTimeout: word(8) / 1000,
      sendMss: word(16),
      receiveMss: word(20),
      unacked: word(24),
      lost: word(32),
      retransmitting: word(36),
      sinceLastDataSent: word(44),
      sinceLastDataReceived: word(52),
      sinceLastAckReceived: word(56),
      pathMtu: word(60),
      rtt: word(68) / 1000,
      rttVariance: word(72) / 1000,
      slowStartThreshold: word(76),
      congestionWindow: word(80),
      receiveSpace: word(96),
      totalRetransmissions: word(100),
      pacingRate: long(104),
      bytesAcked: long(120),
      bytesReceived: long(128),
      segmentsOut: word(136),
      segmentsIn: word(140),
      notSentBytes: word(144),
      minRtt: word(148) / 1000,
      deliveryRate: long(160),
      bytesSent: long(200),
      bytesRetransmitted: long(208),
    });
  });

  it('reads from any offset of the memory', () => {
    const memory = new Uint8Array(250);
    memory.set(counted(240), 3);
    expect(parseTcpInfo(memory.subarray(3, 243))).toEqual(parseTcpInfo(counted(240)));
  });

  it('fields that an older kernel does not have are undefined', () => {
    const info = parseTcpInfo(counted(104));
    expect(info.totalRetransmissions).toBe(word(100));
    expect(Object.entries(info).filter(([, value]) => value === undefined).map(([name]) => name)).toEqual([
      'pacingRate', 'bytesAcked', 'bytesReceived', 'segmentsOut', 'segmentsIn', 'notSentBytes', 'minRtt', 'deliveryRate', 'bytesSent', 'bytesRetransmitted',
    ]); // prettier-ignore
    expect(parseTcpInfo(counted(152))).toMatchObject({
      minRtt: word(148) / 1000,
      deliveryRate: undefined,
    });
    expect(parseTcpInfo(new Uint8Array(0))).toMatchObject({ state: 'UNKNOWN', rtt: 0 });
  });

  it('returns no numbers for the values that mean "no limit" and "not measured"', () => {
    const bytes = counted(240);
    const view = new DataView(bytes.buffer);
    view.setUint32(76, 0x7fffffff, true);
    view.setBigUint64(104, 0xffffffffffffffffn, true);
    view.setUint32(148, 0xffffffff, true);
    expect(parseTcpInfo(bytes)).toMatchObject({
      slowStartThreshold: Infinity,
      pacingRate: Infinity,
      minRtt: undefined,
    });
  });
});
