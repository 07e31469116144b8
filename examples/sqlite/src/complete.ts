// A task that is done exactly if the application's own change is there.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { json, WorkerBuilder } from '@apalis/core'
import { SqliteStorage } from '@apalis/sqlite'

const file = join(mkdtempSync(join(tmpdir(), 'apalis-')), 'app.db')
const storage = await SqliteStorage.open(file)
const transfers = storage.queue<{ readonly cents: number }, number>('transfers', {
  result: json<number>(),
})
const db = new DatabaseSync(file)
db.exec('CREATE TABLE IF NOT EXISTS account (cents INTEGER)')
db.exec('INSERT INTO account VALUES (100)')

// #region complete
const worker = new WorkerBuilder('bank').backend(transfers).build((transfer, request) => {
  db.exec('BEGIN IMMEDIATE')
  try {
    const row = db
      .prepare('UPDATE account SET cents = cents + ? RETURNING cents')
      .get(transfer.cents)
    // Last: the task is done with this commit, or neither is.
    const done = transfers.settleWithin(db).done(request, Number(row?.['cents']))
    db.exec('COMMIT')
    return done
  } catch (error) {
    db.exec('ROLLBACK')
    throw error
  }
})
// #endregion

const running = worker.run()
const id = await transfers.push({ cents: 50 })
console.log(`balance ${await transfers.result(id)}`)
worker.stop()
await running
db.close()
await storage.close()

// Output:
// balance 150
