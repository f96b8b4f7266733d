import '../unit/socket/use-poll-reactor';
import { streamSuite } from './native-stream-suite';

streamSuite();
