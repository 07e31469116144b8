// Pushes one task and has nothing else to do: `node producer.ts URL SCHEMA QUEUE`.
import { PostgresStorage } from '../../src/index.ts'

const [url = '', schema = '', queue = ''] = process.argv.slice(2)
const storage = await PostgresStorage.connect(url, { schema })
await storage.queue<{ n: number }>(queue).push({ n: 1 })
