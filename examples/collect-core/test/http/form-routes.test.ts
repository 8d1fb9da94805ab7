import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type Core, call, coreEnvironment, type Json, startCore, surveyForm } from "../support/core-under-test.ts";
import { FakeManager } from "../support/fake-manager.ts";

const manager = new FakeManager();
let core: Core;
let cleanUp: () => Promise<void>;

beforeAll(async () => {
  await manager.start();
  const own = await coreEnvironment({ MANAGER_URL: manager.url });
  cleanUp = own.cleanUp;
  core = await startCore(own.settings);
});
afterAll(async () => {
  await core?.stop();
  await manager.stop();
  await cleanUp?.();
});

const problems = (body: Json) => body.problems.map(({ path }: { path: string }) => path);

describe("forms", () => {
  test("are created, listed, read and replaced, but stay with their team", async () => {
    const created = await call("POST", `${core.url}/forms`, { ...surveyForm, id: "crud" });
    expect(created).toMatchObject({ status: 201, body: { id: "crud", team: "team-1", questions: 3 } });
    expect((await call("POST", `${core.url}/forms`, { ...surveyForm, id: "crud" })).status).toBe(409);
    expect(await call("PUT", `${core.url}/forms/crud`, { ...surveyForm, team: "team-2" })).toMatchObject({
      status: 400,
      body: { problems: [{ path: "/team" }] },
    });
    const replaced = await call("PUT", `${core.url}/forms/crud`, { ...surveyForm, questions: [{ id: "other" }] });
    expect(replaced).toMatchObject({ status: 200, body: { questions: 1 } });
    expect((await call("POST", `${core.url}/forms/crud/submit`, { answers: { other: "x" } })).status).toBe(201);
    const { body } = await call("GET", `${core.url}/forms?limit=500`);
    expect(body.items).toContainEqual({
      id: "crud",
      team: "team-1",
      title: "Household survey",
      questions: 1,
      responses: 1,
    });
    expect((await call("GET", `${core.url}/forms/crud`)).body.questions).toEqual([{ id: "other" }]);
  });

  test("with mistakes are refused with every one of them", async () => {
    const { status, body } = await call("PUT", `${core.url}/forms/bad`, {
      team: "NO",
      title: "",
      questions: [{ id: "a" }, { id: "a" }, { id: "b", type: "choice" }, { id: "c", text: "\0" }],
    });
    expect(status).toBe(400);
    expect(problems(body)).toEqual(expect.arrayContaining(["/team", "/title", "/questions/3/text"]));
    const later = await call("PUT", `${core.url}/forms/bad`, {
      ...surveyForm,
      questions: [{ id: "a" }, { id: "a" }, { id: "b", type: "choice" }],
    });
    expect(problems(later.body)).toEqual(["/questions/1/id", "/questions/2/options"]);
    expect((await call("GET", `${core.url}/forms/bad`)).status).toBe(404);
  });

  test("whose event no record could hold are refused and not stored", async () => {
    const questions = Array.from({ length: 5_000 }, (_, n) => ({ id: `q${n}`, text: "x".repeat(200) }));
    expect(await call("PUT", `${core.url}/forms/giant`, { ...surveyForm, questions })).toMatchObject({
      status: 413,
      body: { code: "too-large" },
    });
    expect((await call("GET", `${core.url}/forms/giant`)).status).toBe(404);
  });

  test.each([
    ["an id", { id: "\ud800" }, "/id"],
    ["a title", { title: "\ud800" }, "/title"],
    ["a question's id", { questions: [{ id: "\ud800" }] }, "/questions/0/id"],
    ["a reserved name", { questions: [{ id: "__proto__" }] }, "/questions/0/id"],
  ])("with half a character or a reserved name are refused: %s", async (_what, change, path) => {
    const answer = await call("POST", `${core.url}/forms`, { ...surveyForm, ...change });
    expect([answer.status, problems(answer.body)]).toEqual([400, [path]]);
  });
});
