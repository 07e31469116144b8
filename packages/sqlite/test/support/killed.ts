// Pushes to a file, and is killed with all of it in the log beside the file: `node killed.ts PATH`.
import { SqliteStorage } from '@apalis/sqlite'

const [path = ''] = process.argv.slice(2)
const storage = await SqliteStorage.open(path)
const tasks = storage.queue<number>('work')
for (let index = 0; index < 100; index += 1) await tasks.push(index)
process.kill(process.pid, 'SIGKILL')
