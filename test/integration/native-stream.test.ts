import { streamSuite } from './native-stream-suite';

streamSuite();
