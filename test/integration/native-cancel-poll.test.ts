import '../unit/socket/use-poll-reactor';
import { cancelSuite } from './native-cancel-suite';

cancelSuite(2_000);
