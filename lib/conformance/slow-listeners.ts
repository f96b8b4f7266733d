import { startPython } from './python-peer';
import type { Scenario } from './scenario';

/**
 * A TCP listener in Python that accepts nothing, and whose backlog is full: the kernel leaves
 * further connections without an answer.
 */
export async function hangingTcp(scenario: Scenario): Promise<{ host: string; port: number }> {
  const python = startPython(
    scenario,
    `
listener = socket.socket()
listener.bind(('127.0.0.1', 0))
listener.listen(0)
held = []
for _ in range(8):
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(listener.getsockname())
    held.append(client)
time.sleep(0.1)
say(listener.getsockname()[1])
hear()
`,
  );
  return { host: '127.0.0.1', port: (await python.hear()) as number };
}

/** A Unix listener in Python whose backlog is full; `makeRoom` has it accept everything. */
export async function fullUnix(
  scenario: Scenario,
): Promise<{ path: string; makeRoom: () => Promise<void> }> {
  const path = scenario.freshPath();
  const python = startPython(
    scenario,
    `
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(1)
held = []
while True:
    client = socket.socket(socket.AF_UNIX)
    client.setblocking(False)
    if client.connect_ex(sys.argv[1]) != 0: break
    held.append(client)
say('full')
hear()
say('room')
while True: held.append(listener.accept())
`,
    path,
  );
  await python.hear();
  return {
    path,
    makeRoom: async () => {
      python.tell('accept');
      await python.hear();
    },
  };
}
