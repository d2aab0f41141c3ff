//! The invented company of the sample: its projects and what they use. No name or number is anybody's.

use serde_json::{Value, json};

/// The billing account.
pub(super) const ACCOUNT: &str = "01A2B3-C4D5E6-F70819";

/// The pseudo service of an invoice's own lines.
pub(super) const INVOICE: &str = "5490-F7B7-8DF6";
const COMPUTE: &str = "6F81-5844-4560";
const BIGQUERY: &str = "24E6-581D-38E5";
const SQL: &str = "9662-B51E-5089";
const RUN: &str = "152E-C115-5142";
const LOGGING: &str = "5490-F7B7-8DF7";
const NETWORK: &str = "E505-1604-58F8";
/// Cloud Storage.
pub(super) const STORAGE: &str = "95FF-2EF5-5EA1";

/// A service's name by its id.
pub(super) fn service_name(id: &str) -> &'static str {
    match id {
        COMPUTE => "Compute Engine",
        BIGQUERY => "BigQuery",
        SQL => "Cloud SQL",
        RUN => "Cloud Run",
        LOGGING => "Cloud Logging",
        NETWORK => "Networking",
        STORAGE => "Cloud Storage",
        _ => "Invoice",
    }
}

/// A project.
pub(super) struct Project {
    id: &'static str,
    name: &'static str,
    /// Its number, as text.
    pub(super) number: &'static str,
    team: &'static str,
    /// Whether it inherits a tag.
    pub(super) tagged: bool,
    /// What it uses.
    pub(super) skus: &'static [Sku],
}

impl Project {
    /// The export's `project`.
    pub(super) fn json(&self) -> Value {
        json!({"id": self.id, "number": self.number, "name": self.name})
    }

    /// Labels of one of its resources.
    pub(super) fn labels(&self, instance: u64) -> Value {
        match instance {
            0 | 1 => json!([{"key": "team", "value": self.team}]),
            n => {
                json!([{"key": "team", "value": self.team}, {"key": "shard", "value": n.to_string()}])
            }
        }
    }
}

/// A kind of resource as a project uses it.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Sku {
    pub(super) id: &'static str,
    pub(super) description: &'static str,
    pub(super) service: &'static str,
    pub(super) api: &'static str,
    pub(super) resource: &'static str,
    /// How many resources of the kind there are.
    pub(super) instances: u32,
    /// Lines a day; a divisor of 24.
    pub(super) windows: u32,
    /// Whether its windows start at two at night, so that the last runs past midnight.
    pub(super) nightly: bool,
    /// Pricing units of a usual line.
    pub(super) units: i64,
    pub(super) micros_per_unit: i64,
    pub(super) pricing_unit: &'static str,
    pub(super) base_unit: &'static str,
    /// Base units in a pricing unit.
    pub(super) base_units: i64,
    region: &'static str,
    pub(super) machine: Option<&'static str>,
    pub(super) sustained: bool,
    pub(super) committed: bool,
    pub(super) free_tier: bool,
}

impl Sku {
    /// The export's `location`.
    pub(super) fn location(&self) -> Value {
        match self.region {
            "global" => json!({"location": "global"}),
            "us" => json!({"location": "us", "country": "US"}),
            region => {
                let country = if region.starts_with("us-") { "US" } else { "NL" };
                json!({"location": region, "country": country, "region": region})
            }
        }
    }
}

const PLAIN: Sku = Sku {
    id: "",
    description: "",
    service: "",
    api: "",
    resource: "",
    instances: 1,
    windows: 6,
    nightly: false,
    units: 1,
    micros_per_unit: 1,
    pricing_unit: "hour",
    base_unit: "seconds",
    base_units: 3_600,
    region: "us-central1",
    machine: None,
    sustained: false,
    committed: false,
    free_tier: false,
};

const CORES: Sku = Sku {
    id: "2E27-4F75-95CD",
    description: "N1 Predefined Instance Core running in Americas",
    service: COMPUTE,
    api: "compute.googleapis.com",
    resource: "web",
    instances: 3,
    windows: 6,
    nightly: true,
    units: 24,
    micros_per_unit: 31_611,
    machine: Some("n1-standard-4"),
    sustained: true,
    committed: true,
    ..PLAIN
};
const MEMORY: Sku = Sku {
    id: "6C71-E844-38BC",
    description: "N1 Predefined Instance Ram running in Americas",
    units: 90,
    micros_per_unit: 4_237,
    pricing_unit: "gibibyte hour",
    base_unit: "byte-seconds",
    base_units: 3_600 << 30,
    committed: false,
    windows: 4,
    ..CORES
};
const DISK: Sku = Sku {
    id: "D973-5D65-BAB2",
    description: "Storage PD Capacity in Netherlands",
    service: COMPUTE,
    api: "compute.googleapis.com",
    resource: "disk",
    instances: 4,
    units: 7,
    micros_per_unit: 44_000,
    pricing_unit: "gibibyte month",
    base_unit: "byte-seconds",
    base_units: 2_592_000 << 20,
    region: "europe-west4",
    ..PLAIN
};
const OBJECTS: Sku = Sku {
    id: "F4B2-7C10-93AD",
    description: "Standard Storage US Multi-region",
    service: STORAGE,
    api: "storage.googleapis.com",
    resource: "bucket",
    instances: 2,
    units: 61,
    micros_per_unit: 26_003,
    pricing_unit: "gibibyte month",
    base_unit: "byte-seconds",
    base_units: 2_592_000 << 20,
    region: "us",
    ..PLAIN
};
const ANALYSIS: Sku = Sku {
    id: "3362-E469-6BEF",
    description: "Analysis (us-central1)",
    service: BIGQUERY,
    units: 2,
    micros_per_unit: 6_250_000,
    pricing_unit: "tebibyte",
    base_unit: "bytes",
    base_units: 1 << 40,
    windows: 6,
    free_tier: true,
    ..PLAIN
};
const DATABASE: Sku = Sku {
    id: "3E0C-6A2B-19F4",
    description: "Cloud SQL for PostgreSQL: Zonal - vCPU in Netherlands",
    service: SQL,
    api: "cloudsql.googleapis.com",
    resource: "orders-db",
    instances: 2,
    units: 12,
    micros_per_unit: 45_477,
    region: "europe-west4",
    nightly: true,
    committed: true,
    ..PLAIN
};
const REQUESTS: Sku = Sku {
    id: "2DA5-55D3-E679",
    description: "Requests",
    service: RUN,
    units: 140,
    micros_per_unit: 403,
    pricing_unit: "count",
    base_unit: "requests",
    base_units: 1,
    windows: 6,
    free_tier: true,
    ..PLAIN
};
const CONTAINERS: Sku = Sku {
    id: "6DB0-7F2C-40BB",
    description: "CPU Allocation Time",
    service: RUN,
    units: 9_100,
    micros_per_unit: 24,
    pricing_unit: "second",
    base_units: 1,
    windows: 6,
    ..PLAIN
};
const LOGS: Sku = Sku {
    id: "143F-A1B0-E0BE",
    description: "Log Storage cost",
    service: LOGGING,
    units: 3,
    micros_per_unit: 500_001,
    pricing_unit: "gibibyte",
    base_unit: "bytes",
    base_units: 1 << 30,
    region: "global",
    free_tier: true,
    ..PLAIN
};
const EGRESS: Sku = Sku {
    id: "9DE9-9092-B3BC",
    description: "Network Internet Data Transfer Out from Americas to EMEA",
    service: NETWORK,
    units: 5,
    micros_per_unit: 119_993,
    pricing_unit: "gibibyte",
    base_unit: "bytes",
    base_units: 1 << 30,
    ..PLAIN
};

/// The projects.
pub(super) const PROJECTS: [Project; 6] = [
    Project {
        id: "harbor-shop-prod",
        name: "Shop",
        number: "418203957110",
        team: "shop",
        tagged: true,
        skus: &[CORES, MEMORY, OBJECTS, DATABASE, EGRESS, LOGS],
    },
    Project {
        id: "harbor-shop-test",
        name: "Shop (test)",
        number: "418203957111",
        team: "shop",
        tagged: false,
        skus: &[MEMORY, REQUESTS, CONTAINERS, LOGS],
    },
    Project {
        id: "harbor-data",
        name: "Data platform",
        number: "730115524098",
        team: "data",
        tagged: false,
        skus: &[ANALYSIS, OBJECTS, DISK, EGRESS, LOGS],
    },
    Project {
        id: "harbor-search",
        name: "Search",
        number: "592877310446",
        team: "search",
        tagged: false,
        skus: &[CORES, MEMORY, DISK, REQUESTS, CONTAINERS, EGRESS],
    },
    Project {
        id: "harbor-mobile-api",
        name: "Mobile API",
        number: "266190483725",
        team: "mobile",
        tagged: false,
        skus: &[REQUESTS, CONTAINERS, DATABASE, EGRESS, LOGS],
    },
    Project {
        id: "harbor-sandbox",
        name: "Sandbox",
        number: "905542817363",
        team: "platform",
        tagged: false,
        skus: &[CORES, ANALYSIS, OBJECTS, LOGS],
    },
];
