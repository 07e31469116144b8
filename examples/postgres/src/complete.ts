// A task that is done exactly if the application's own change is there.
import { PGlite } from '@electric-sql/pglite'
import { json, WorkerBuilder } from '@apalis/core'
import { PostgresStorage } from '@apalis/postgres'

const database = await PGlite.create()
const storage = await PostgresStorage.connect(database)
const transfers = storage.queue<{ readonly cents: number }, number>('transfers', {
  result: json<number>(),
})
await database.exec('CREATE TABLE account (cents int); INSERT INTO account VALUES (100)')

// #region complete
const worker = new WorkerBuilder('bank').backend(transfers).build((transfer, request) =>
  database.transaction(async (tx) => {
    const { rows } = await tx.query<{ cents: number }>(
      'UPDATE account SET cents = cents + $1 RETURNING cents',
      [transfer.cents],
    )
    // Last: the task is done with this transaction, or neither is.
    return transfers.settleWithin(tx).done(request, rows[0]?.cents ?? 0)
  }),
)
// #endregion

const running = worker.run()
const id = await transfers.push({ cents: 50 })
console.log(`balance ${await transfers.result(id)}`)
worker.stop()
await running
await storage.close()

// Output:
// balance 150
