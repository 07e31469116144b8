// Opens a file, pushes one task to a queue, and has nothing else to do: `node producer.ts PATH QUEUE`.
import { SqliteStorage } from '@apalis/sqlite'

const [path = '', queue = ''] = process.argv.slice(2)
const storage = await SqliteStorage.open(path)
await storage.queue<{ readonly n: number }>(queue).push({ n: 1 })
