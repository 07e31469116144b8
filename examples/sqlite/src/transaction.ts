// A task that exists exactly if the application's own change does.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const file = join(mkdtempSync(join(tmpdir(), 'apalis-')), 'app.db')

// #region transaction
import { DatabaseSync } from 'node:sqlite'
import { SqliteStorage } from '@apalis/sqlite'

const storage = await SqliteStorage.open(file)
const receipts = storage.queue<{ readonly order: number }>('receipts')

// A connection of the application's own to the same file.
const db = new DatabaseSync(file)
db.exec('CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, cents INTEGER)')

async function placeOrder(cents: number): Promise<void> {
  db.exec('BEGIN IMMEDIATE')
  try {
    const { lastInsertRowid } = db.prepare('INSERT INTO orders (cents) VALUES (?)').run(cents)
    // The statement has run when `push` returns: the transaction need not wait for the promise.
    const pushed = receipts.within(db).push({ order: Number(lastInsertRowid) })
    if (cents < 0) throw new Error('an order costs something')
    db.exec('COMMIT')
    await pushed
  } catch (error) {
    db.exec('ROLLBACK')
    throw error
  }
}
// #endregion

await placeOrder(1_200)
await placeOrder(-1).catch((error: Error) => console.log(error.message))
console.log(await receipts.metrics().then(({ pending }) => `${pending} receipt to write`))
db.close()
await storage.close()

// Output:
// an order costs something
// 1 receipt to write
