/** Whether the suites that try many things at random take their time: `npm run test:long`. */
export const long: boolean = process.env['APALIS_LONG'] === '1'
