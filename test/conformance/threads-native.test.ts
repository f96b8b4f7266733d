import { describe, it } from 'vitest';
import { testExecutor } from '#lib/conformance/executor';
import { testThreads } from '#lib/conformance/threads';
import { testThreadsPortal } from '#lib/conformance/threads-portal';
import { expectNoLeaks } from '../support/fds';
import { native } from './subjects';

expectNoLeaks();
const runner = { describe, it };
testThreads(runner, native);
testThreadsPortal(runner, native);
testExecutor(runner, native);
