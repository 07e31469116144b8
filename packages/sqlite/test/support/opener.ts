// Opens a file, stores a row of its own, and closes it: `node opener.ts PATH ID`.
import { openStore } from './stores.ts'

const [path = '', id = ''] = process.argv.slice(2)
const store = await openStore(path)
await store.insert('work', [{ id, args: '1', priority: 0, attempts: 1 }])
await store.close()
console.log('stored')
