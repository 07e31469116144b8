// The options, a backup while everything goes on, and what the storage says about itself.
import { mkdtempSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folder = mkdtempSync(join(tmpdir(), 'apalis-'))

// #region options
import { SqliteStorage } from '@apalis/sqlite'

const storage = await SqliteStorage.open(join(folder, 'app.db'), {
  synchronous: 'normal', // the last commits may be lost with the power
  lease: '5s', // dead workers are noticed sooner
  retention: { done: '1d', killed: false },
})
// #endregion

await storage.queue<number>('work').pushBulk([1, 2, 3])

// #region backup
await storage.backup(join(folder, 'backup.db'))
// #endregion
await storage.close()

const copy = await SqliteStorage.open(join(folder, 'backup.db'))
const { pending } = await copy.queue<number>('work').metrics()
console.log(`${pending} tasks in a file of ${statSync(copy.path).size > 0 ? 'its own' : 'nothing'}`)
await copy.close()

// Output:
// 3 tasks in a file of its own
