import type { Enablement } from "@plugboard/contract";

/** The food-frequency questionnaires of FiveThirtyEight's readers: question → number. */
export type Answers = Readonly<Record<string, unknown>>;

/** A plugin as one team of the demo uses it. */
interface TeamPlugin {
  readonly plugin: string;
  readonly enablement: Enablement;
  readonly settings: Readonly<Record<string, unknown>>;
  /** What the enablement's filter says, in code of its own: the check must not trust what it checks. */
  readonly wants: (answers: Answers) => boolean;
}

/** A team, its one form and what it has plugged in. */
export interface DemoTeam {
  readonly team: string;
  readonly form: { readonly id: string; readonly title: string };
  readonly collector: string;
  /** A valid mobile number of the team's country for the n-th respondent; the data set has none. */
  readonly phone: (n: number) => string;
  readonly plugins: readonly TeamPlugin[];
}

/** What the emulated vendors handed out. */
export interface VendorAccounts {
  /** JSON key of a Google service account. */
  readonly serviceAccount: string;
  /** A spreadsheet, shared with that account, per team. */
  readonly spreadsheets: Readonly<Record<string, string>>;
  readonly twilio: { readonly accountSid: string; readonly authToken: string; readonly from: string };
}

/** The answer that holds the respondent's number; added to the data set's questions. */
export const PHONE_QUESTION = "respondent_phone";

const everyResponse = () => true;

/** Rules that some of the real rows break. */
const ENERGY_RULE = {
  id: "energy-plausible",
  check: "answers.dt_kcal <= 4500",
  message: "More than 4,500 kcal a day: please ask again how often and how much.",
  fields: ["dt_kcal"],
};
const ALCOHOL_RULE = {
  id: "alcohol-plausible",
  check: "answers.pctalch <= 20",
  message: "More than a fifth of all energy comes from alcohol: please check the drinks.",
  fields: ["pctalch"],
};
const EXERCISE_RULE = {
  id: "exercise-within-intake",
  check: "answers.kcal_expenditure_all <= answers.dt_kcal",
  message: "More energy spent on exercise than eaten: please check both.",
  fields: ["kcal_expenditure_all", "dt_kcal"],
};

/** Three teams with different plugins: between them they use every plugin, both ways of calling one, and a filter. */
export function demoTeams(accounts: VendorAccounts): DemoTeam[] {
  const events = ["onResponse"];
  const sheet = (team: string): TeamPlugin => ({
    plugin: "google-sheets",
    enablement: { enabled: true, filter: null },
    settings: { spreadsheetId: accounts.spreadsheets[team], serviceAccount: accounts.serviceAccount },
    wants: everyResponse,
  });
  const text = (template: string): TeamPlugin["settings"] => ({
    accountSid: accounts.twilio.accountSid,
    authToken: accounts.twilio.authToken,
    from: accounts.twilio.from,
    rules: [{ id: "thanks", events, to: PHONE_QUESTION, template }],
  });
  return [
    {
      team: "nutrition-kenya",
      form: { id: "ffq-kenya", title: "Food frequency, Kenya" },
      collector: "wanjiru",
      phone: (n) => `+254712${String(n % 1_000_000).padStart(6, "0")}`,
      plugins: [
        sheet("nutrition-kenya"),
        {
          plugin: "validator",
          enablement: { enabled: true, mode: "both", onFailure: "open", filter: null },
          settings: { rules: [ENERGY_RULE, ALCOHOL_RULE, EXERCISE_RULE] },
          wants: everyResponse,
        },
      ],
    },
    {
      team: "heart-study-ghana",
      form: { id: "ffq-ghana", title: "Food and heart, Ghana" },
      collector: "kofi",
      phone: (n) => `+23324${String(n % 10_000_000).padStart(7, "0")}`,
      plugins: [
        sheet("heart-study-ghana"),
        {
          plugin: "sms",
          enablement: { enabled: true, filter: null },
          settings: text(
            "Thank you for your answers on {{ answers.dt_kcal | round }} kcal a day. Ref {{ response.id }}",
          ),
          wants: everyResponse,
        },
      ],
    },
    {
      team: "smoke-free-peru",
      form: { id: "ffq-peru", title: "Food and smoking, Peru" },
      collector: "quispe",
      phone: (n) => `+519${String(n % 100_000_000).padStart(8, "0")}`,
      plugins: [
        {
          plugin: "validator",
          enablement: { enabled: true, mode: "async", filter: null },
          settings: { rules: [ALCOHOL_RULE] },
          wants: everyResponse,
        },
        {
          plugin: "sms",
          enablement: { enabled: true, filter: "answers.ever_smoked == 1" },
          settings: text("Help with quitting is free: reply HELP. Ref {{ response.id }}"),
          wants: (answers) => answers.ever_smoked === 1,
        },
      ],
    },
  ];
}

/** The n-th submission: the data set's rows in turn, each with a respondent's number. */
export function submissionOf(team: DemoTeam, row: Answers, n: number): Record<string, unknown> {
  return { ...row, [PHONE_QUESTION]: team.phone(n) };
}
