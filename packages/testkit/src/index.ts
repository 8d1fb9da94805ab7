export { type Fault, FaultPlan } from "./fault-plan.ts";
export { type CellValue, SheetGrid, Spreadsheet } from "./google/sheet-grid.ts";
export { type GoogleSheetsEmulator, startGoogleSheetsEmulator } from "./google-sheets-emulator.ts";
export { startTwilioEmulator, type TwilioEmulator, type TwilioMessage } from "./twilio-emulator.ts";
