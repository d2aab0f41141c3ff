//! Google's description of a service: which requests there are, and what their bodies may hold.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use serde_json::{Map, Value};

use crate::judges::discovery_documents;

/// The discovery document of a service.
pub struct Document(Value);

/// A method of a document, and the resource that a path names.
pub struct Found<'a> {
    document: &'a Document,
    method: &'a Value,
    /// The resource.
    pub name: String,
}

impl Document {
    /// Reads `cloudkms.v1`, `run.v2` and the like.
    pub fn read(name: &str) -> Self {
        let path = discovery_documents().join(format!("{name}.json"));
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(serde_json::from_str(&text).unwrap())
    }

    /// The method of this verb and path.
    pub fn find(&self, verb: &str, path: &str) -> Option<Found<'_>> {
        let method = methods(&self.0).find(|method| {
            method["httpMethod"] == verb && matches(method["flatPath"].as_str().unwrap(), path)
        })?;
        let (_, name) = path.trim_start_matches('/').split_once('/')?;
        let verb = method["path"].as_str()?.rsplit_once("}:").map_or("", |(_, verb)| verb);
        let name = name.strip_suffix(&format!(":{verb}")).unwrap_or(name).to_owned();
        Some(Found { document: self, method, name })
    }

    /// What is wrong with a value of this schema.
    pub fn wrong(&self, schema: &str, value: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        self.check(&self.0["schemas"][schema], value, schema, &mut wrong);
        wrong
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
        if let Some(name) = schema["$ref"].as_str() {
            return self.check(&self.0["schemas"][name], value, at, wrong);
        }
        let good = match schema["type"].as_str() {
            Some("object") => match value.as_object() {
                Some(fields) => {
                    self.check_fields(schema, fields, at, wrong);
                    true
                }
                None => false,
            },
            Some("array") => match value.as_array() {
                Some(items) => {
                    for (n, item) in items.iter().enumerate() {
                        self.check(&schema["items"], item, &format!("{at}[{n}]"), wrong);
                    }
                    true
                }
                None => false,
            },
            Some("string") => is_string(schema, value),
            Some("integer") => value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
            Some("number") => value.is_number(),
            Some("boolean") => value.is_boolean(),
            Some("any") => true,
            other => panic!("{at}: the type {other:?} of a discovery document"),
        };
        if !good {
            wrong.push(format!("{at} is {value}, not {} {}", schema["type"], schema["format"]));
        }
    }

    fn check_fields(
        &self,
        schema: &Value,
        fields: &Map<String, Value>,
        at: &str,
        wrong: &mut Vec<String>,
    ) {
        for (name, value) in fields {
            let at = format!("{at}.{name}");
            match (schema["properties"].get(name), schema.get("additionalProperties")) {
                (Some(of), _) | (None, Some(of)) => self.check(of, value, &at, wrong),
                (None, None) => wrong.push(format!("{at} is no field")),
            }
        }
    }
}

impl Found<'_> {
    /// The method's id.
    pub fn id(&self) -> &str {
        self.method["id"].as_str().unwrap()
    }

    /// What is wrong with a request's body and query.
    pub fn wrong_request(&self, body: &Value, query: &str) -> Vec<String> {
        let mut wrong = match self.method["request"]["$ref"].as_str() {
            Some(schema) => self.document.wrong(schema, body),
            None if body.is_null() => Vec::new(),
            None => vec!["the method has no body".to_owned()],
        };
        let names = query.split('&').filter_map(|pair| pair.split('=').next());
        for name in names.filter(|name| !name.is_empty()) {
            // `$alt` is `alt` by its other name.
            let name = name.replace("%24", "").replace('$', "");
            let known = [&self.method["parameters"], &self.document.0["parameters"]];
            if known.iter().all(|parameters| parameters.get(&name).is_none()) {
                wrong.push(format!("'{name}' is no parameter"));
            }
        }
        wrong
    }

    /// What is wrong with an answer.
    pub fn wrong_answer(&self, answer: &Value) -> Vec<String> {
        self.document.wrong(self.method["response"]["$ref"].as_str().unwrap(), answer)
    }
}

fn methods(of: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    let own = of["methods"].as_object().into_iter().flat_map(Map::values);
    let below = of["resources"].as_object().into_iter().flat_map(Map::values).flat_map(methods);
    Box::new(own.chain(below))
}

/// Whether a path is as a template says: `v2/projects/{projectsId}/jobs/{jobsId}:run`.
fn matches(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.trim_start_matches('/').split('/'));
    template.clone().count() == path.clone().count()
        && template.zip(path).all(|(template, segment)| match template.split_once('}') {
            None => template == segment,
            Some((_, verb)) => segment
                .strip_suffix(verb)
                .is_some_and(|value| !value.is_empty() && !value.contains(':')),
        })
}

/// Whether a value is a string of this schema. A name of an enum may be sent as its number.
fn is_string(schema: &Value, value: &Value) -> bool {
    if let Some(names) = schema["enum"].as_array() {
        return value.is_u64() || names.contains(value);
    }
    let Some(text) = value.as_str() else { return false };
    match schema["format"].as_str() {
        None | Some("google-fieldmask") => true,
        Some("int64") => text.parse::<i64>().is_ok(),
        Some("uint64") => text.parse::<u64>().is_ok(),
        Some("byte") => STANDARD.decode(text).is_ok(),
        Some("google-datetime") => DateTime::parse_from_rfc3339(text).is_ok(),
        Some("google-duration") => {
            text.strip_suffix('s').is_some_and(|number| number.parse::<f64>().is_ok())
        }
        Some(other) => panic!("the format '{other}' of a discovery document"),
    }
}

#[test]
fn what_a_document_does_not_say_is_found() {
    let run = Document::read("run.v2");
    let schema = "GoogleCloudRunV2RunJobRequest";
    for (body, wrong) in [
        (r#"{"overrides": {"taskCount": 1, "timeout": "600s"}, "validateOnly": false}"#, None),
        (r#"{"overrides": {"containerOverrides": [{"env": [{"name": "A"}]}]}}"#, None),
        (r#"{"override": {}}"#, Some("override is no field")),
        (r#"{"overrides": []}"#, Some("overrides is []")),
        (r#"{"overrides": {"taskCount": "1"}}"#, Some("taskCount is \"1\"")),
        (r#"{"overrides": {"taskCount": 3000000000}}"#, Some("taskCount is 3000000000")),
        (r#"{"overrides": {"timeout": "10m"}}"#, Some("timeout is \"10m\"")),
        (r#"{"overrides": {"timeout": null}}"#, Some("timeout is null")),
        (r#"{"overrides": {"containerOverrides": [{"env": {"A": "1"}}]}}"#, Some("[0].env is")),
    ] {
        let found = run.wrong(schema, &serde_json::from_str(body).unwrap());
        match wrong {
            None => assert!(found.is_empty(), "{body}: {found:?}"),
            Some(wrong) => {
                assert!(found.len() == 1 && found[0].contains(wrong), "{body}: {found:?}");
            }
        }
    }
    let execution = |launch_stage: &str| {
        let body = format!(r#"{{"launchStage": {launch_stage}}}"#);
        run.wrong("GoogleCloudRunV2Execution", &serde_json::from_str(&body).unwrap())
    };
    assert!(execution("\"GA\"").is_empty() && execution("4").is_empty());
    assert_eq!(execution("\"NEVER\"").len(), 1);
}

#[test]
fn a_path_names_one_method_and_its_resource() {
    let run = Document::read("run.v2");
    let job = "projects/p/locations/r/jobs/j";
    for (verb, path, found) in [
        ("POST", "/v2/projects/p/locations/r/jobs/j:run", Some("run.projects.locations.jobs.run")),
        ("GET", "/v2/projects/p/locations/r/jobs/j", Some("run.projects.locations.jobs.get")),
        ("GET", "/v2/projects/p/locations/r/jobs/j:run", None),
        ("POST", "/v2/projects/p/locations/r/jobs/j:walk", None),
        ("POST", "/v2/projects/p/locations/r/jobs/:run", None),
        ("POST", "/v1/projects/p/locations/r/jobs/j:run", None),
    ] {
        let got = run.find(verb, path);
        assert_eq!(got.as_ref().map(Found::id), found, "{verb} {path}");
        assert!(got.is_none_or(|got| got.name == job), "{verb} {path}");
    }
}
